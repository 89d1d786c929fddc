import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

/** Numbers that are read when somebody asks for them. */
export interface MetricSources {
  connections(): number;
  connectedHosts(): number;
  triggerMessages(): Promise<{ waiting: number; dead: number }>;
  /** The end of the certificate that is shown, ms since 1970; null: none is. */
  certificateExpiresAt(): number | null;
}

/**
 * Every figure the coordinator tells of itself, in one list, with its unit in its name. Labels take few values on purpose: no
 * host, deployment or report is one.
 */
export function createMetrics(sources: MetricSources) {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });

  const requests = new Counter({
    name: 'drover_http_requests_total',
    help: 'HTTP requests answered, by route and status.',
    labelNames: ['route', 'status'],
    registers,
  });
  const requestSeconds = new Histogram({
    name: 'drover_http_request_duration_seconds',
    help: 'Time to answer an HTTP request, in seconds; held polls and live feeds are not counted.',
    buckets: [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 30],
    registers,
  });
  const hubEvents = new Counter({
    name: 'drover_hub_events_total',
    help: 'What happened on the connections of agents.',
    labelNames: ['what'],
    registers,
  });
  const hubCounters = new Map<string, { inc(): void }>();
  const reports = new Counter({
    name: 'drover_reports_total',
    help: 'Reports of hosts: committed, or ignored as repeated or out of date.',
    labelNames: ['outcome'],
    registers,
  });
  const commitSeconds = new Histogram({
    name: 'drover_report_commit_duration_seconds',
    help: 'Time of one group commit of reports, in seconds.',
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1],
    registers,
  });
  const revisionBytes = new Counter({
    name: 'drover_bundle_bytes_total',
    help: 'Bytes of bundles taken in whole (in), and sent to hosts, whole or in parts (out).',
    labelNames: ['direction'],
    registers,
  });
  const triggerMessages = new Counter({
    name: 'drover_trigger_messages_total',
    help: 'Messages of triggers: delivered, failed attempts, given up (dead), and dead letters dropped beyond their bound.',
    labelNames: ['outcome'],
    registers,
  });
  // Gauges read themselves when somebody asks; nobody needs to hold them.
  new Gauge({
    name: 'drover_agent_connections',
    help: 'Open connections of agents, those without a hello included.',
    registers,
    collect() {
      this.set(sources.connections());
    },
  });
  new Gauge({
    name: 'drover_connected_hosts',
    help: 'Hosts that have an open connection.',
    registers,
    collect() {
      this.set(sources.connectedHosts());
    },
  });

  new Gauge({
    name: 'drover_trigger_messages_undelivered',
    help: 'Messages of triggers that wait for delivery, and dead letters.',
    labelNames: ['state'],
    registers,
    async collect() {
      const { waiting, dead } = await sources.triggerMessages();
      this.set({ state: 'waiting' }, waiting);
      this.set({ state: 'dead' }, dead);
    },
  });

  if (sources.certificateExpiresAt() !== null)
    new Gauge({
      name: 'drover_certificate_expires_timestamp_seconds',
      help: 'When the certificate that the coordinator shows ends, in seconds since 1970.',
      registers,
      collect() {
        const at = sources.certificateExpiresAt();
        if (at !== null) this.set(at / 1_000);
      },
    });

  return {
    answered(route: string, status: number, durationMs: number | null): void {
      requests.inc({ route, status: String(status) });
      if (durationMs !== null) requestSeconds.observe(durationMs / 1_000);
    },
    hubEvent(what: string): void {
      // Per frame: looking a label up each time would cost as much as reading the frame.
      let counter = hubCounters.get(what);
      if (counter === undefined) {
        counter = hubEvents.labels(what);
        hubCounters.set(what, counter);
      }
      counter.inc();
    },
    reportsCommitted(committed: number, ignored: number, durationMs: number): void {
      if (committed > 0) reports.inc({ outcome: 'committed' }, committed);
      if (ignored > 0) reports.inc({ outcome: 'ignored' }, ignored);
      commitSeconds.observe(durationMs / 1_000);
    },
    bundleBytes(direction: 'in' | 'out', bytes: number): void {
      revisionBytes.inc({ direction }, bytes);
    },
    triggerMessages(outcome: string, messages: number): void {
      triggerMessages.inc({ outcome }, messages);
    },
    /** In Prometheus' text format. */
    async text(): Promise<{ contentType: string; body: string }> {
      return { contentType: registry.contentType, body: await registry.metrics() };
    },
    close(): void {
      registry.clear();
    },
  };
}
export type Metrics = ReturnType<typeof createMetrics>;

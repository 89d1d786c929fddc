import { fork } from 'node:child_process';
import { once } from 'node:events';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import BetterSqlite3 from 'better-sqlite3';
import { isTerminal } from '../../shared/model/deployment.ts';
import { type Bench, type Figure, lineOf } from '../figure.ts';
import type { FromPrototype, ToPrototype } from '../limit/prototype.ts';
import { median, percentile } from '../statistics.ts';
import { setUpApplication } from '../support/application.ts';
import { type Coordinator, startCoordinator } from '../support/coordinator.ts';
import { type Fleet, hostId, insertHosts, REPORTS_PER_HOST, startFleet } from '../support/fleet.ts';
import { cpuMs, memoryOf, resetPeak, stopChild, until } from '../support/processes.ts';

const CONFIGS = ['AllAtOnce', 'HalfAtATime'] as const;
type Config = (typeof CONFIGS)[number];

interface Run {
  /** POST to Succeeded, ms. */
  durationMs: number;
  /** Of the coordinator, user and system. */
  cpuMs: number;
  /** From the decision to the receipt of the assignment, each host, ms. */
  deliveriesMs: number[];
  peakRssBytes: number;
}

/**
 * A fleet of hosts in other processes, the product and the bare prototype taking turns. Hosts are enrolled by rows that are
 * written before the coordinator starts; their hellos are proven like any other.
 */
export const fleet: Figure = {
  name: 'fleet',
  summary: '1,000 and 10,000 hosts over real WebSockets, against a bare prototype',
  async run(bench) {
    const cpuPerTarget = new Map<string, { hosts: number; valuesUs: number[] }[]>();
    for (const hosts of bench.isQuick ? [200, 1_000] : [1_000, 10_000]) {
      const costs = await measureFleet(bench, hosts);
      for (const [config, valuesUs] of costs)
        cpuPerTarget.set(config, [...(cpuPerTarget.get(config) ?? []), { hosts, valuesUs }]);
    }
    for (const [config, [small, large]] of cpuPerTarget)
      if (small !== undefined && large !== undefined)
        bench.line(
          lineOf({
            what: `${config}: CPU per target, ${count(large.hosts)} against ${count(small.hosts)} hosts`,
            unit: 'us',
            values: large.valuesUs,
            peer: { name: `at ${count(small.hosts)}`, values: small.valuesUs },
            aims: [{ of: 'ratio', atMost: 1.2 }],
          }),
        );
  },
};

async function measureFleet(bench: Bench, hosts: number): Promise<Map<string, number[]>> {
  const coordinator = await startCoordinator(bench, `coordinator-${hosts}`, {
    prepare: (database) => insertHosts(database, hosts),
  });
  const application = await setUpApplication(bench, coordinator.client);
  const { rssBytes: emptyRssBytes } = memoryOf(coordinator.pid);
  const connected = startFleet(bench, { url: coordinator.url, hosts });
  const prototype = await startPrototype(bench, hosts);

  const beforeConnect = { at: performance.now(), cpuMs: cpuMs(coordinator.pid) };
  await connected.connect();
  const connectMs = performance.now() - beforeConnect.at;
  const connectCpuMs = cpuMs(coordinator.pid) - beforeConnect.cpuMs;
  // Presence is written in groups of some milliseconds.
  await pause(500);
  const idle = memoryOf(coordinator.pid);

  const deploy = (config: Config) => runDeployment(coordinator, connected, application, config);
  // Long enough for the compiler: a coordinator runs for months. Hosts are healthy from then on, as HalfAtATime wants them.
  for (let i = 0; i < 2; i++) {
    await deploy('AllAtOnce');
    await prototype.run();
  }
  const runs = new Map<Config | 'prototype', Run[]>([...CONFIGS, 'prototype' as const].map((name) => [name, []]));
  const times = bench.isQuick ? 2 : hosts > 5_000 ? 5 : 9;
  for (let i = 0; i < times; i++) {
    // A coordinator that rests is not what is measured: nor are heartbeats to it while the prototype runs.
    for (const config of CONFIGS) runs.get(config)?.push(await deploy(config));
    connected.heartbeats(false);
    runs.get('prototype')?.push(await prototype.run());
    connected.heartbeats(true);
  }

  const limit = runs.get('prototype') ?? [];
  const isLarge = hosts > 5_000;
  const costs = new Map<string, number[]>();
  for (const config of CONFIGS) {
    const measured = runs.get(config) ?? [];
    const label = `${config}, ${count(hosts)} hosts`;
    const perTargetUs = (run: Run) => (run.cpuMs * 1_000) / hosts;
    costs.set(config, measured.map(perTargetUs));
    bench.line(
      lineOf({
        what: `${label}: create to all Succeeded`,
        unit: 'ms',
        values: measured.map((run) => run.durationMs),
        peer: { name: 'prototype', values: limit.map((run) => run.durationMs) },
        aims: [{ of: 'ratio', atMost: 3 }, ...(isLarge ? [{ of: 'median' as const, atMost: 3_000 }] : [])],
      }),
    );
    const perSecond = (run: Run) => (hosts * REPORTS_PER_HOST * 1_000) / run.durationMs;
    bench.line(
      lineOf({
        what: `${label}: reports committed a second`,
        unit: '/s',
        values: measured.map(perSecond),
        peer: { name: 'prototype', values: limit.map(perSecond) },
      }),
    );
    bench.line(deliveryLine(label, measured, limit));
    bench.line(
      lineOf({
        what: `${label}: CPU of the coordinator per target`,
        unit: 'us',
        values: measured.map(perTargetUs),
        peer: { name: 'prototype', values: limit.map(perTargetUs) },
        note: `${(median(measured.map(perTargetUs)) / REPORTS_PER_HOST).toFixed(1)} us per report, all else included`,
      }),
    );
  }
  const perHostKib = (bytes: number) => (bytes - emptyRssBytes) / hosts / 1_024;
  const peaks = CONFIGS.flatMap((config) => runs.get(config) ?? []).map((run) => perHostKib(run.peakRssBytes));
  bench.line(
    lineOf({
      what: `${count(hosts)} hosts connected: RSS per host, idle`,
      unit: 'KiB',
      values: [perHostKib(idle.rssBytes)],
      peer: { name: 'prototype', values: [prototype.idleKibPerHost()] },
      aims: isLarge ? [{ of: 'median', atMost: 20 }] : [],
      note: `${Math.round(emptyRssBytes / 2 ** 20)} MiB without hosts`,
    }),
  );
  bench.line(
    lineOf({
      what: `${count(hosts)} hosts deploying: RSS per host, peak`,
      unit: 'KiB',
      values: peaks,
      peer: { name: 'prototype', values: limit.map((run) => prototype.peakKibPerHost(run.peakRssBytes)) },
      aims: isLarge ? [{ of: 'median', atMost: 20 }] : [],
    }),
  );
  bench.line(
    lineOf({
      what: `${count(hosts)} hosts connect, each with its proof`,
      unit: 'ms',
      values: [connectMs],
      note: `${Math.round((connectCpuMs * 1_000) / hosts)} us of the coordinator's CPU per host`,
    }),
  );
  const databaseBytes = statSync(coordinator.databasePath).size;
  bench.say(`database of ${Math.round(databaseBytes / 2 ** 20)} MiB after ${2 * times + 2} deployments`);
  await connected.stop();
  await coordinator.stop();
  await prototype.stop();
  return costs;
}

function deliveryLine(label: string, runs: readonly Run[], limit: readonly Run[]) {
  const all = runs.flatMap((run) => run.deliveriesMs);
  return {
    ...lineOf({
      what: `${label}: decision to receipt of the assignment`,
      unit: 'ms',
      values: all,
      peer: { name: 'prototype', values: limit.flatMap((run) => run.deliveriesMs) },
    }),
    p99: percentile(all, 99),
  };
}

async function runDeployment(
  coordinator: Coordinator,
  connected: Fleet,
  application: { application: string; deploymentGroup: string; revision: string },
  config: Config,
): Promise<Run> {
  const { client, pid, databasePath } = coordinator;
  resetPeak(pid);
  const { done } = connected.expect();
  const cpuBefore = cpuMs(pid);
  const createdAt = Date.now();
  const created = await client.createDeployment({
    ...application,
    deploymentConfigName: `CodeDeployDefault.${config}`,
  });
  const { receivedAt } = await done;
  let ended = created;
  await until(
    'the deployment ends',
    async () => {
      ended = await client.getDeployment({ deployment: created.id });
      return isTerminal(ended.status);
    },
    { everyMs: 10 },
  );
  if (ended.status !== 'Succeeded') throw new Error(`${created.id} is ${ended.status}`);
  // Whatever the end left to do belongs to it.
  await pause(200);
  return {
    durationMs: (ended.completedAt ?? Number.NaN) - createdAt,
    cpuMs: cpuMs(pid) - cpuBefore,
    deliveriesMs: deliveriesOf(databasePath, created.id, receivedAt),
    peakRssBytes: memoryOf(pid).peakRssBytes,
  };
}

function deliveriesOf(databasePath: string, deploymentId: string, receivedAt: readonly number[]): number[] {
  const database = new BetterSqlite3(databasePath, { readonly: true });
  try {
    const rows = database.prepare('SELECT host_id, started_at FROM targets WHERE deployment_id = ?').all(deploymentId);
    const startedAt = new Map(
      (rows as { host_id: string; started_at: number }[]).map((r) => [r.host_id, r.started_at]),
    );
    return receivedAt.map((at, index) => at - (startedAt.get(hostId(index)) ?? Number.NaN));
  } finally {
    database.close();
  }
}

async function startPrototype(bench: Bench, hosts: number) {
  const program = fileURLToPath(new URL('../limit/prototype.ts', import.meta.url));
  const child = fork(program, [join(bench.directory, `prototype-${hosts}.db`)], { execArgv: ['--import=tsx'] });
  bench.defer(() => stopChild(child));
  const { pid } = child;
  if (pid === undefined) throw new Error('the prototype cannot be started');
  // Our own program: its messages have the type.
  const [{ url }] = (await once(child, 'message')) as [Extract<FromPrototype, { kind: 'listening' }>];
  const emptyRssBytes = memoryOf(pid).rssBytes;
  const perHost = (bytes: number) => (bytes - emptyRssBytes) / hosts / 1_024;
  const connected = startFleet(bench, { url, hosts });
  await connected.connect();
  const idleRssBytes = memoryOf(pid).rssBytes;
  let runs = 0;
  return {
    idleKibPerHost: () => perHost(idleRssBytes),
    peakKibPerHost: perHost,
    async stop() {
      await connected.stop();
      await stopChild(child);
    },
    async run(): Promise<Run> {
      resetPeak(pid);
      const { done } = connected.expect();
      const cpuBefore = cpuMs(pid);
      const ended = once(child, 'message');
      const message: ToPrototype = { kind: 'deploy', deploymentId: `d-P${String(runs++).padStart(8, '0')}` };
      child.send(message);
      const [{ beganAt, endedAt }] = (await ended) as [Extract<FromPrototype, { kind: 'done' }>];
      const { receivedAt } = await done;
      await pause(200);
      return {
        durationMs: endedAt - beganAt,
        cpuMs: cpuMs(pid) - cpuBefore,
        deliveriesMs: receivedAt.map((at) => at - beganAt),
        peakRssBytes: memoryOf(pid).peakRssBytes,
      };
    },
  };
}

function count(value: number): string {
  return value.toLocaleString('en');
}

import { get } from 'node:http';

export interface AvailabilityReport {
  rounds: number;
  requests: number;
  failedRequests: number;
  /** The fewest hosts that answered in one round. */
  fewestServing: number;
  hosts: number;
}

/**
 * Counts who is in service by asking every host for the page, over and over: a round is one request to each, all at once.
 */
export function watchAvailability(ports: readonly number[], pauseMs = 15): { stop(): Promise<AvailabilityReport> } {
  const report: AvailabilityReport = {
    rounds: 0,
    requests: 0,
    failedRequests: 0,
    fewestServing: ports.length,
    hosts: ports.length,
  };
  let isStopped = false;
  const done = (async () => {
    while (!isStopped) {
      const answers = await Promise.all(ports.map((port) => ask(port).then((answer) => answer.ok)));
      const serving = answers.filter(Boolean).length;
      report.rounds++;
      report.requests += ports.length;
      report.failedRequests += ports.length - serving;
      report.fewestServing = Math.min(report.fewestServing, serving);
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  })();
  return {
    async stop() {
      isStopped = true;
      await done;
      return report;
    },
  };
}

/** What the service on a port says now. */
export function ask(port: number): Promise<{ ok: boolean; text: string }> {
  return new Promise((resolve) => {
    const request = get({ host: '127.0.0.1', port, path: '/', timeout: 2_000, agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('end', () => resolve({ ok: response.statusCode === 200, text: text.trim() }));
      response.on('error', (error) => resolve({ ok: false, text: error.message }));
    });
    request.on('timeout', () => request.destroy(new Error('no answer in 2 s')));
    request.on('error', (error) => resolve({ ok: false, text: error.message }));
  });
}

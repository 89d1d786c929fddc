import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { WebSocketServer } from 'ws';
import { type Bench, type Figure, lineOf } from '../figure.ts';
import { startAgent } from '../support/agent.ts';
import { startCoordinator } from '../support/coordinator.ts';
import { insertHosts, startFleet } from '../support/fleet.ts';
import { cpuMs, memoryOf, startProcess, until } from '../support/processes.ts';

const HEARTBEAT_MS = 5_000;
const MIB = 1_024 * 1_024;

/** What it costs to do nothing: an agent that waits, and a coordinator that hears the heartbeats of a fleet. */
export const idle: Figure = {
  name: 'idle',
  summary: 'memory and CPU of an idle agent, CPU of a coordinator with 10,000 idle hosts',
  async run(bench) {
    await idleAgent(bench);
    await idleCoordinator(bench, bench.isQuick ? 500 : 10_000);
  },
};

async function idleAgent(bench: Bench): Promise<void> {
  const coordinator = await startCoordinator(bench, 'coordinator');
  const agents = [];
  for (let i = 0; i < 3; i++) agents.push(await startAgent(bench, coordinator, `idle-${i}`));
  const bare = await startBare(bench, agents.length);
  // Past what a start leaves to do.
  await pause(bench.isQuick ? 2_000 : 8_000);
  const forMs = bench.isQuick ? 5_000 : 15_000;
  const before = [...agents, ...bare].map(({ pid }) => cpuMs(pid));
  await pause(forMs);
  const shares = [...agents, ...bare].map(({ pid }, i) => ((cpuMs(pid) - (before[i] ?? 0)) / forMs) * 100);
  const memory = (of: readonly { pid: number }[], what: 'rssBytes' | 'privateBytes') =>
    of.map(({ pid }) => memoryOf(pid)[what] / MIB);
  for (const [what, key] of [
    ['RSS', 'rssBytes'],
    ['private memory', 'privateBytes'],
  ] as const)
    bench.line(
      lineOf({
        what: `idle agent: ${what}`,
        unit: 'MiB',
        values: memory(agents, key),
        peer: { name: 'bare Node + WebSocket', values: memory(bare, key) },
      }),
    );
  bench.line(
    lineOf({
      what: 'idle agent: CPU of one core',
      unit: '%',
      values: shares.slice(0, agents.length),
      peer: { name: 'bare Node + WebSocket', values: shares.slice(agents.length) },
      note: `over ${forMs / 1_000} s, in steps of ${((10 / forMs) * 100).toFixed(2)} %`,
    }),
  );
  for (const { stop } of [...agents, ...bare]) await stop();
  await coordinator.stop();
}

async function startBare(bench: Bench, count: number) {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false });
  server.on('connection', (socket) =>
    socket.on('message', () => socket.send(JSON.stringify({ kind: 'heartbeat', at: Date.now() }))),
  );
  await once(server, 'listening');
  bench.defer(() => {
    for (const client of server.clients) client.terminate();
    server.close();
  });
  // A server that listens on TCP has an address with a port.
  const { port } = server.address() as { port: number };
  const program = fileURLToPath(new URL('../limit/bare-websocket.mjs', import.meta.url));
  const bare = Array.from({ length: count }, () =>
    startProcess(bench, process.execPath, [program, `ws://127.0.0.1:${port}`, String(HEARTBEAT_MS)]),
  );
  await until('the bare processes are connected', () => bare.every((one) => one.log().includes('open')));
  return bare;
}

async function idleCoordinator(bench: Bench, hosts: number): Promise<void> {
  const coordinator = await startCoordinator(bench, `idle-${hosts}`, {
    prepare: (database) => insertHosts(database, hosts),
  });
  const fleet = startFleet(bench, { url: coordinator.url, hosts });
  const sampleMs = 5_000;
  const share = async () => {
    const before = cpuMs(coordinator.pid);
    await pause(sampleMs);
    return ((cpuMs(coordinator.pid) - before) / sampleMs) * 100;
  };
  const without = [await share()];
  await fleet.connect();
  await pause(2_000);
  const connected: number[] = [];
  for (let i = 0; i < (bench.isQuick ? 1 : 4); i++) connected.push(await share());
  bench.line(
    lineOf({
      what: `coordinator with ${hosts.toLocaleString('en')} idle hosts: CPU of one core`,
      unit: '%',
      values: connected,
      note: `a heartbeat of each host every ${HEARTBEAT_MS / 1_000} s, answered; ${(without[0] ?? 0).toFixed(1)} % without hosts`,
    }),
  );
  const perHeartbeatUs = connected.map((percent) => ((percent / 100) * 1e6) / (hosts / (HEARTBEAT_MS / 1_000)));
  bench.line(
    lineOf({ what: 'one heartbeat with its answer: CPU of the coordinator', unit: 'us', values: perHeartbeatUs }),
  );
  await fleet.stop();
  await coordinator.stop();
}

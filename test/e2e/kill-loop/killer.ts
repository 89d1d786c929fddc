import { statSync } from 'node:fs';
import { join } from 'node:path';
import type { Randomness } from '../../../shared/core/randomness.ts';
import { hookGroups, signalHooks } from '../../support/hook-processes.ts';
import type { RealHerd, RealHost } from '../../support/real-herd.ts';
import { TRACE } from '../../support/traced-hooks.ts';

export interface Kills {
  coordinator: number;
  agent: number;
  /** The agent together with the hook that ran: as if the host had lost power. */
  host: number;
}

/** Between two kills this many hooks have run, at the most: kills are spread over the work, on a quick machine and a slow one. */
const MOST_HOOKS_BETWEEN = 6;
/** Or this long has passed: what does not go on must be killed as well. */
const LONGEST_WAIT_MS = 2_500;
/** And then a little time, so that kills fall anywhere inside a hook, ms. */
const LONGEST_PAUSE_MS = 250;

/**
 * Kills processes chosen by the seed with SIGKILL and starts each again at once, so that some are killed while they recover
 * from the last time.
 */
export async function killAtRandom(herd: RealHerd, randomness: Randomness, count: number): Promise<Kills> {
  const kills: Kills = { coordinator: 0, agent: 0, host: 0 };
  for (let kill = 0; kill < count; kill++) {
    await waitForWork(herd, Math.floor(randomness.fraction() * (MOST_HOOKS_BETWEEN + 1)));
    await new Promise((resolve) => setTimeout(resolve, randomness.fraction() * LONGEST_PAUSE_MS));
    const choice = randomness.fraction();
    const chosen = Math.floor(randomness.fraction() * herd.hosts.length);
    if (choice < 0.35) {
      await herd.endCoordinator('SIGKILL');
      await herd.spawnCoordinator();
      kills.coordinator++;
      continue;
    }
    const hosts = [...herd.hosts.slice(chosen), ...herd.hosts.slice(0, chosen)];
    const isPowerCut = choice > 0.85;
    const inHook = isPowerCut ? hosts.find((candidate) => hookGroups(candidate).length > 0) : undefined;
    const host = inHook ?? hosts[0];
    if (host !== undefined) kills[await killHost(herd, host, isPowerCut)]++;
  }
  return kills;
}

async function waitForWork(herd: RealHerd, hooks: number): Promise<void> {
  const goal = traceBytes(herd) + hooks * TYPICAL_RUN_BYTES;
  const giveUpAt = Date.now() + LONGEST_WAIT_MS;
  while (traceBytes(herd) < goal && Date.now() < giveUpAt) await new Promise((resolve) => setTimeout(resolve, 10));
}

const TYPICAL_RUN_BYTES =
  'begin 1764181234567890123 d-ABCDEFGHI ApplicationStart one\n'.length +
  'end 1764181234567890123 d-ABCDEFGHI ApplicationStart 0\n'.length;

function traceBytes(herd: RealHerd): number {
  return herd.hosts.reduce(
    (sum, host) => sum + (statSync(join(host.installRoot, TRACE), { throwIfNoEntry: false })?.size ?? 0),
    0,
  );
}

async function killHost(herd: RealHerd, host: RealHost, isPowerCut: boolean): Promise<'agent' | 'host'> {
  await herd.endAgent(host, 'SIGKILL');
  const kind = isPowerCut && signalHooks(host, 'SIGKILL') > 0 ? 'host' : 'agent';
  herd.restartAgent(host);
  return kind;
}

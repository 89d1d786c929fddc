import type { FaultProxy } from '../../support/fault-proxy.ts';
import { hookGroups, signalHooks } from '../../support/hook-processes.ts';
import type { RealHerd, RealHost } from '../../support/real-herd.ts';
import type { Fault, PlannedFault } from './plan.ts';

const LONGEST_WAIT_FOR_HOOK_MS = 3_000;

export interface FaultyHost {
  host: RealHost;
  link: FaultProxy;
}

export interface Injected {
  /** How often each fault met a host, or the coordinator. */
  met: Record<string, number>;
  powerCutHooks: number;
}

/**
 * Carries out a plan. A link, a process has one fault at a time: a fault leaves out what still has another one. Resolves, also
 * when something went wrong, only after every fault is over and every process runs again. Once `isOver`, no other one begins.
 */
export async function inject(
  herd: RealHerd,
  hosts: readonly FaultyHost[],
  plan: readonly PlannedFault[],
  isOver: () => boolean,
): Promise<Injected> {
  const busy = new Set<string>();
  const injected: Injected = { met: {}, powerCutHooks: 0 };
  const running: Promise<void>[] = [];
  const errors: unknown[] = [];
  const beganAt = performance.now();
  for (const { atMs, name, fault } of plan) {
    await sleep(beganAt + atMs - performance.now());
    if (errors.length > 0 || isOver()) break;
    const one = (place: string, act: () => Promise<void>) => {
      if (busy.has(place)) return;
      busy.add(place);
      injected.met[name] = (injected.met[name] ?? 0) + 1;
      running.push(
        act()
          .catch((error: unknown) => void errors.push(error))
          .finally(() => busy.delete(place)),
      );
    };
    if ('hosts' in fault) {
      const chosen = fault.kind === 'power-cut' ? await oneInHook(hosts, fault.hosts) : fault.hosts;
      for (const index of chosen) {
        const host = hosts[index];
        if (host !== undefined) one(placeOf(fault, index), () => hitHost(herd, host, fault, injected));
      }
    } else one('coordinator', () => hitCoordinator(herd, fault));
  }
  await Promise.all(running);
  for (const { link } of hosts) link.clearTruncations();
  if (errors.length > 0) throw errors[0];
  return injected;
}

/** A host without power in the middle of a script is the case of interest; any is as good when no script runs. */
async function oneInHook(hosts: readonly FaultyHost[], candidates: readonly number[]): Promise<number[]> {
  const giveUpAt = performance.now() + LONGEST_WAIT_FOR_HOOK_MS;
  for (;;) {
    for (const index of candidates) {
      const host = hosts[index]?.host;
      if (host !== undefined && hookGroups(host).length > 0) return [index];
    }
    if (performance.now() > giveUpAt) return candidates.slice(0, 1);
    await sleep(20);
  }
}

function placeOf(fault: Fault, index: number): string {
  const isOfLink = fault.kind === 'link' || fault.kind === 'cut' || fault.kind === 'truncate';
  return `${isOfLink ? 'link' : 'process'} ${index}`;
}

async function hitHost(
  herd: RealHerd,
  { host, link }: FaultyHost,
  fault: Extract<Fault, { hosts: readonly number[] }>,
  injected: Injected,
): Promise<void> {
  switch (fault.kind) {
    case 'link':
      await link.set(fault.fault);
      if (fault.cut !== null) link.cut(fault.cut);
      await sleep(fault.forMs);
      return link.set({ kind: 'none' });
    case 'cut':
      return link.cut(fault.how);
    case 'truncate':
      return link.truncateNextDownloads(...fault.truncations);
    case 'kill-agent':
    case 'power-cut':
      await herd.endAgent(host, 'SIGKILL');
      if (fault.kind === 'power-cut') injected.powerCutHooks += signalHooks(host, 'SIGKILL');
      await sleep(fault.forMs);
      return herd.restartAgent(host);
    case 'restart-agent':
      await herd.endAgent(host, 'SIGTERM');
      return herd.restartAgent(host);
    case 'freeze-agent':
      host.agent.kill('SIGSTOP');
      await sleep(fault.forMs);
      host.agent.kill('SIGCONT');
  }
}

async function hitCoordinator(herd: RealHerd, fault: Exclude<Fault, { hosts: readonly number[] }>): Promise<void> {
  if (fault.kind === 'freeze-coordinator') {
    herd.signalCoordinator('SIGSTOP');
    await sleep(fault.forMs);
    return herd.signalCoordinator('SIGCONT');
  }
  await herd.endCoordinator(fault.kind === 'kill-coordinator' ? 'SIGKILL' : 'SIGTERM');
  await sleep(fault.forMs);
  await herd.spawnCoordinator();
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, ms)));
}

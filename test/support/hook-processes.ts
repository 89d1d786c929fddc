import { readdirSync, readFileSync } from 'node:fs';
import type { RealHost } from './real-herd.ts';

/** Sends a signal to the host's running hooks. Returns how many process groups got it. */
export function signalHooks(host: RealHost, signal: NodeJS.Signals): number {
  let count = 0;
  for (const group of hookGroups(host))
    try {
      process.kill(-group, signal);
      count++;
    } catch {
      // It ended by itself.
    }
  return count;
}

/** The process groups of the host's running hooks: processes that have its install root in their environment. */
export function hookGroups(host: RealHost): number[] {
  const mark = `DROVER_INSTALL_ROOT=${host.installRoot}\0`;
  const groups = new Set<number>();
  for (const name of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
    try {
      if (!readFileSync(`/proc/${name}/environ`, 'utf8').includes(mark)) continue;
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
      const group = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[2]);
      if (group > 1) groups.add(group);
    } catch {
      // It ended while we looked.
    }
  }
  return [...groups];
}

import type { History } from '../history.ts';
import { LAYOUT, previousDigest, unpackedBundles } from '../world/agent-state.ts';
import type { Machine } from '../world/machine.ts';

/**
 * I5, when a deployment runs its first script on a host, by when what was old there is removed: of the revision before the installed one, which a
 * rollback goes back to, the host has the bundle, packed or unpacked.
 */
export function checkKeepsWayBack({ violate }: History, machine: Machine): void {
  const digest = previousDigest(machine.files);
  if (digest === null || machine.files.find(`${LAYOUT.cache}/${digest}`) !== null) return;
  const holds = (directory: string) => {
    const path = `${directory}/bundle-digest`;
    return machine.files.find(path) !== null && machine.files.read(path).toString('utf8').trim() === digest;
  };
  if (!unpackedBundles(machine.files).some(holds))
    violate('I5', `${machine.name} has the bundle ${digest.slice(0, 8)} no more, which a rollback goes back to`);
}

/**
 * I6, of an event that failed: the bundles of the simulation have all that they install, and there is always the whole bundle where what a host
 * lacks cannot be fetched alone.
 */
export function checkBundleFailure({ violate }: History, what: string, diagnostics: string): void {
  if (/ delta |manifest|is not in the bundle|"ScriptMissing"/.test(diagnostics))
    violate('I6', `${what} has failed for its bundle: ${diagnostics}`);
}

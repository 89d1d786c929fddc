import { errorMessage } from '../../../shared/core/errors.ts';
import type { History } from '../history.ts';
import type { Machine } from '../world/machine.ts';

/**
 * I4: an agent ends by itself only when its journal cannot be written. Whatever else a host refuses fails the deployment, with the reason: an
 * agent that ends, and ends again each time it is started, tells nobody.
 */
export function checkMayFail({ violate }: History, machine: Machine, error: unknown): void {
  if (machine.files.isFull) return;
  violate('I4', `the agent of ${machine.name} ends, and its journal can be written: ${errorMessage(error)}`);
}

/** When it is answered that a host was forgotten: nobody speaks with it any more. */
export function checkForgotten({ world, violate }: History, hostId: string): void {
  if (world.coordinator.core?.hub.isConnected(hostId) !== true) return;
  violate('clones', `${world.machineOfHost(hostId)?.name ?? hostId} is forgotten, and still connected`);
}

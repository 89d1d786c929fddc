import type { History } from '../history.ts';
import type { Machine } from '../world/machine.ts';

/** I7 on the machine: whoever begins after a stop was answered had been told to before. */
export function checkBeginAfterStop({ stops, violate }: History, machine: Machine, deploymentId: string): void {
  const stop = stops.get(deploymentId);
  if (stop === undefined || machine.hostId === null || stop.allowed.has(machine.hostId)) return;
  violate('I7', `${machine.name} begins ${deploymentId} although its stop was answered while it was pending`);
}

/** I7 on the wire: after the answer nobody is told to start. */
export function checkFrameAfterStop({ stops, violate }: History, machine: string, frame: string): void {
  if (stops.size === 0 || !frame.startsWith('{"kind":"assignment"')) return;
  const deploymentId = /"deploymentId":"([^"]+)"/.exec(frame)?.[1] ?? '';
  if (stops.has(deploymentId)) violate('I7', `${machine} is sent ${deploymentId} after its stop was answered`);
}

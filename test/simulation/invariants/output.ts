import { eventOfLog } from '../../../agent/deployment/layout.ts';
import type { History } from '../history.ts';
import { LAYOUT } from '../world/agent-state.ts';
import type { Machine } from '../world/machine.ts';
import { EPOCH } from '../world/timeline.ts';

/** After the end of its deployment, beyond what an answer that got lost costs, ms. */
const ARRIVES_WITHIN_MS = 30_000;
/** Of a machine that has never gone down: another may have lost bytes that the coordinator has by then. */
const FIRST_BOOT = 'boot-1';

interface Piece {
  offset: number;
  data: Buffer;
}

/** I6, when all is quiet: what scripts have printed is stored once, in its order, to its end. */
export function checkOutput(history: History): void {
  const { world, violate } = history;
  const forgets = world.plan.items.some(({ action }) => action.kind === 'remove-journal');
  const targets = world.database.look.prepare<
    [string, number],
    { targetId: number; groupId: string; deploymentId: string }
  >(
    `SELECT t.id AS targetId, d.group_id AS groupId, d.id AS deploymentId FROM targets t
     JOIN deployments d ON d.id = t.deployment_id WHERE t.host_id = ? AND d.completed_at < ?`,
  );
  const pieces = world.database.look.prepare<[number, string], Piece>(
    'SELECT "offset", data FROM event_output WHERE target_id = ? AND event = ? ORDER BY "offset"',
  );
  const endedBefore = EPOCH + world.timeline.now + world.coordinator.clockOffsetMs - ARRIVES_WITHIN_MS;
  for (const machine of world.machines) {
    if (machine.hostId === null || machine.isGone || isCopied(history, machine)) continue;
    const mayLack = forgets || machine.processes.bootId !== FIRST_BOOT;
    for (const { targetId, groupId, deploymentId } of targets.all(machine.hostId, endedBefore))
      for (const [event, printed] of outputOf(machine, groupId, deploymentId)) {
        const what = `the output of ${event} of ${deploymentId} on ${machine.name}`;
        const stored = pieces.all(targetId, event);
        // Retention takes all of it.
        if (stored.length === 0 && world.plan.keepsLittle) continue;
        let length = 0;
        for (const { offset, data } of stored) {
          if (offset !== length) violate('I6', `${what} is stored up to ${length}, and then from ${offset} on`);
          length += data.length;
        }
        const bytes = Buffer.concat(stored.map(({ data }) => data));
        const common = Math.min(printed.length, bytes.length);
        if (!printed.subarray(0, common).equals(bytes.subarray(0, common)))
          violate('I6', `${what} is stored with other bytes than were printed`);
        if (!mayLack && printed.length !== bytes.length)
          violate('I6', `${bytes.length} bytes of ${what} are stored, and ${printed.length} were printed`);
      }
  }
}

/** Two machines tell of one deployment then. */
function isCopied({ clones }: History, { name }: Machine): boolean {
  return clones.has(name) || clones.has(`${name}-copy`);
}

/** Of the events of a deployment, what lies on the machine's disk. */
function outputOf({ files }: Machine, groupId: string, deploymentId: string): [event: string, printed: Buffer][] {
  const { logs } = LAYOUT.deployment(groupId, deploymentId);
  if (files.find(logs) === null) return [];
  return files.list(logs).flatMap((name): [string, Buffer][] => {
    const event = eventOfLog(name);
    return event === null ? [] : [[event, files.read(`${logs}/${name}`)]];
  });
}

import type { History } from '../history.ts';
import { installedOn } from '../truth.ts';
import { LAYOUT } from '../world/agent-state.ts';
import type { Machine } from '../world/machine.ts';
import { isShared } from './groups.ts';

/** I6 on the wire: what a host tells is on its disk, so that it cannot have to tell something else after a power cut. */
export function checkIsDurable({ violate }: History, machine: Machine, frame: string): void {
  const journal = machine.files.find(LAYOUT.journal);
  if (journal === null) return;
  const durable = journal.syncedCopy ?? journal.bytes.subarray(0, journal.syncedLength);
  // What is told was written lately.
  for (const [text] of frame.matchAll(/"sequence":\d+[,}]/g))
    if (durable.lastIndexOf(text) === -1)
      violate('I6', `${machine.name} tells ${text.slice(0, -1)}, which is not on its disk`);
}

/** I6, once all is quiet: the counts of every deployment are those of its targets, and every event that ran is told of. */
export function checkTold(history: History): void {
  checkCounts(history);
  checkEventsTold(history);
  checkTimeToAccept(history);
  checkInstalls(history);
}

/** I6, when all is mended and quiet: the revision that a host is said to have is the one that lies on its disk. */
export function checkInstalled(history: History): void {
  const { world, violate } = history;
  const rows = world.database.look
    .prepare<[], { hostId: string; application: string; groupName: string; said: string }>(
      `SELECT m.host_id AS hostId, g.application, g.name AS groupName, r.label AS said FROM group_hosts m
       JOIN hosts h ON h.id = m.host_id AND h.presence = 'Online'
       JOIN deployment_groups g ON g.id = m.group_id JOIN revisions r ON r.id = m.revision_id`,
    )
    .all();
  for (const { hostId, application, groupName, said } of rows) {
    const machine = world.machineOfHost(hostId);
    if (machine?.hostId !== hostId || isShared(history, machine, { application, groupName })) continue;
    const installed = installedOn(machine, application);
    if (installed !== said)
      violate('I6', `${machine.name} is said to have ${said} of ${application}, and has ${installed}`);
  }
}

/** I4: a host is given up for not accepting only after all of its time, which begins when it is started. */
function checkTimeToAccept({ world, violate }: History): void {
  const rows = world.database.look
    .prepare<[number], { deploymentId: string; name: string; tookMs: number }>(
      `SELECT deployment_id AS deploymentId, host_name AS name, completed_at - started_at AS tookMs FROM targets
       WHERE status = 'Failed' AND error_code = 'NOT_ACCEPTED' AND completed_at - started_at < ?`,
    )
    .all(world.coordinator.config.timings.acceptTimeoutMs);
  for (const { deploymentId, name, tookMs } of rows)
    violate('I4', `${deploymentId} gave ${name} up as not accepting after ${tookMs} ms`);
}

/** What may keep an install from working. */
const HARMS_INSTALLS: ReadonlySet<string> = new Set([
  'disk-full',
  'no-inodes',
  'read-only',
  'power',
  'disk-hangs',
  'remove-journal',
]);

/** I4: an agent's end alone fails no install that may overwrite what it finds; what was cut off is done again. */
function checkInstalls({ world, violate }: History): void {
  const { items, damagedDownloads } = world.plan;
  if (damagedDownloads !== undefined || items.some(({ action }) => HARMS_INSTALLS.has(action.kind))) return;
  const rows = world.database.look
    .prepare<[], { deploymentId: string; name: string; diagnostics: string | null }>(
      `SELECT t.deployment_id AS deploymentId, t.host_name AS name, e.diagnostics FROM lifecycle_events e
       JOIN targets t ON t.id = e.target_id JOIN deployments d ON d.id = t.deployment_id
       WHERE e.name = 'Install' AND e.status = 'Failed' AND d.file_exists_behavior = 'OVERWRITE'`,
    )
    .all();
  for (const { deploymentId, name, diagnostics } of rows)
    violate('I4', `Install of ${deploymentId} failed on ${name}, with nothing wrong there: ${diagnostics ?? ''}`);
}

const COUNTS = ['Pending', 'InProgress', 'Succeeded', 'Failed', 'Skipped'] as const;

function checkCounts({ world, violate }: History): void {
  const rows = world.database.look
    .prepare<[], { id: string; stored: string; counted: string }>(
      `SELECT d.id, d.count_pending || ' ' || d.count_in_progress || ' ' || d.count_succeeded || ' ' || d.count_failed || ' ' ||
         d.count_skipped AS stored, ${COUNTS.map((status) => `coalesce(sum(t.status = '${status}'), 0)`).join(" || ' ' || ")} AS counted
       FROM deployments d LEFT JOIN targets t ON t.deployment_id = d.id GROUP BY d.id HAVING stored <> counted`,
    )
    .all();
  for (const { id, stored, counted } of rows)
    violate('I6', `${id} has counted ${stored} targets, and there are ${counted} (${COUNTS.join(', ')})`);
}

/** A host tells in order, so one whose end is told by itself has told all of its events. */
function checkEventsTold({ world, truth, violate }: History): void {
  const targets = world.database.look
    .prepare<[], { id: number; deploymentId: string; hostId: string }>(
      `SELECT id, deployment_id AS deploymentId, host_id AS hostId FROM targets WHERE status = 'Succeeded'`,
    )
    .all();
  const told = world.database.look.prepare<[number, string], { status: string }>(
    'SELECT status FROM lifecycle_events WHERE target_id = ? AND name = ?',
  );
  for (const { id, deploymentId, hostId } of targets) {
    const machine = world.machineOfHost(hostId);
    if (machine === undefined) continue;
    for (const event of new Set(truth.runsOf(machine.name, deploymentId).map((run) => run.event))) {
      const status = told.get(id, event)?.status ?? 'not there';
      if (status !== 'Succeeded' && status !== 'Failed')
        violate('I6', `${event} of ${deploymentId} ran on ${machine.name}, and in the history it is ${status}`);
    }
  }
}

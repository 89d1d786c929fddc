import { isSelected } from '../domain/target-selection.ts';
import { updatePendingHealth } from '../engine/pending-health.ts';
import type { DatabaseTransaction } from '../storage/database.ts';
import { settingsOf } from '../storage/rows/deployment-groups.ts';
import { tagsOf } from '../storage/rows/hosts.ts';
import type { DeploymentGroupRow, HostRow } from '../storage/tables.ts';

/** To be called once it is committed: the groups look at who has come, or gone. */
export type WakeGroups = () => void;

/** Each in the transaction of the change itself: else one that is kept while this is lost would leave a host out for good. */
export interface Membership {
  /** A host was enrolled, or its tags, name or scaling group changed: it may enter groups and leave others. */
  hostChanged(tx: DatabaseTransaction, hostId: string): Promise<WakeGroups>;
  /** A group was created, or its selection changed. */
  groupChanged(tx: DatabaseTransaction, groupId: string): Promise<WakeGroups>;
}

type SelectedHost = Pick<HostRow, 'id' | 'name' | 'tags' | 'scaling_group'>;

/**
 * Keeps `group_hosts` equal to what the selections say. A host that enters a group with a last good revision is owed that
 * revision before it counts as in service. What is deployed stays on one that leaves; when it comes back, and nothing was deployed
 * to it since, it is what it was: else a selection that was wrong for a minute would take a whole fleet out of service at once.
 */
export function createMembership(parts: { wakeGroup(groupId: string): void }): Membership {
  return {
    async hostChanged(tx, hostId) {
      const host = await tx.query
        .selectFrom('hosts')
        .select(['id', 'name', 'tags', 'scaling_group'])
        .where('id', '=', hostId)
        .executeTakeFirst();
      const groups = await tx.query.selectFrom('deployment_groups').selectAll().execute();
      const into = host === undefined ? [] : groups.filter((group) => selects(group, host));
      const left = await leave(tx, hostId, new Set(into.map((group) => group.id)));
      for (const group of into) await enter(tx, group, [hostId]);
      return () => {
        for (const groupId of [...left, ...into.map((group) => group.id)]) parts.wakeGroup(groupId);
      };
    },
    async groupChanged(tx, groupId) {
      const group = await tx.query
        .selectFrom('deployment_groups')
        .selectAll()
        .where('id', '=', groupId)
        .executeTakeFirst();
      if (group !== undefined) await reconcileGroup(tx, group);
      return () => parts.wakeGroup(groupId);
    },
  };
}

/** Brings a group's rows to what it selects now, and returns the hosts. */
export async function reconcileGroup(tx: DatabaseTransaction, group: DeploymentGroupRow): Promise<SelectedHost[]> {
  const hosts = await tx.query.selectFrom('hosts').select(['id', 'name', 'tags', 'scaling_group']).execute();
  const { selection } = settingsOf(group);
  const selected = hosts.filter((host) => isSelected(selection, asSelectable(host)));
  const wanted = new Set(selected.map((host) => host.id));
  const rows = await tx.query.selectFrom('group_hosts').select('host_id').where('group_id', '=', group.id).execute();
  await removeRows(
    tx,
    rows.filter((row) => !wanted.has(row.host_id)).map((row) => [group.id, row.host_id]),
  );
  const known = new Set(rows.map((row) => row.host_id));
  await enter(
    tx,
    group,
    selected.filter((host) => !known.has(host.id)).map((host) => host.id),
  );
  return selected;
}

/** One that did not serve, or was at work, is unknown when it comes back. */
const REMEMBER = `INSERT INTO left_group_hosts
    (group_id, host_id, revision_id, last_deployment_id, converge, last_good_revision_id, change_sequence)
  SELECT m.group_id, m.host_id, m.revision_id, m.last_deployment_id, m.converge, g.last_good_revision_id,
    coalesce((SELECT max(t.change_sequence) FROM targets t WHERE t.host_id = m.host_id), 0)
  FROM group_hosts m JOIN deployment_groups g ON g.id = m.group_id
  WHERE m.group_id = ? AND m.host_id = ? AND m.instance_health = 'Healthy' AND NOT EXISTS (
    SELECT 1 FROM targets t JOIN deployments d ON d.id = t.deployment_id
    WHERE t.host_id = m.host_id AND t.status = 'InProgress' AND d.application = g.application)`;
/** Nothing of the application was begun on it since; what it is owed may be another revision by now, unless that is what it runs. */
const TAKE_UP = `INSERT INTO group_hosts (group_id, host_id, revision_id, instance_health, last_deployment_id, converge)
  SELECT l.group_id, l.host_id, l.revision_id, 'Healthy', l.last_deployment_id,
    CASE WHEN l.last_good_revision_id IS NOT DISTINCT FROM g.last_good_revision_id THEN l.converge END
  FROM left_group_hosts l JOIN deployment_groups g ON g.id = l.group_id JOIN revisions r ON r.id = l.revision_id
  WHERE l.group_id = ? AND l.host_id = ?
    AND (l.last_good_revision_id IS NOT DISTINCT FROM g.last_good_revision_id OR l.revision_id = g.last_good_revision_id)
    AND NOT EXISTS (
      SELECT 1 FROM targets t JOIN deployments d ON d.id = t.deployment_id
      WHERE t.host_id = l.host_id AND t.started_at IS NOT NULL AND t.change_sequence > l.change_sequence
        AND d.application = g.application)
  ON CONFLICT (group_id, host_id) DO NOTHING`;
const IS_DEPLOYED_TO = 'SELECT id FROM deployments WHERE group_id = ? AND is_active = 1 LIMIT 1';
/** A deployment that is under way has the host as healthy and still to come, and nothing is known of it any more. */
const TAKEN_FOR_HEALTHY = `SELECT t.id FROM targets t JOIN deployments d ON d.id = t.deployment_id
    JOIN group_hosts m ON m.group_id = d.group_id AND m.host_id = t.host_id
  WHERE t.host_id = ? AND t.status = 'Pending' AND t.was_healthy = 1 AND d.group_id = ? AND m.instance_health = 'Unknown'`;
const REMOVE_LEFT = 'DELETE FROM left_group_hosts WHERE group_id = ? AND host_id = ?';

async function removeRows(tx: DatabaseTransaction, left: readonly [groupId: string, hostId: string][]): Promise<void> {
  await tx.executeMany(REMOVE_LEFT, left);
  await tx.executeMany(REMEMBER, left);
  await tx.executeMany('DELETE FROM group_hosts WHERE group_id = ? AND host_id = ?', left);
}

async function enter(tx: DatabaseTransaction, group: DeploymentGroupRow, hostIds: readonly string[]): Promise<void> {
  const places = hostIds.map((hostId) => [group.id, hostId]);
  await tx.executeMany(TAKE_UP, places);
  await tx.executeMany(REMOVE_LEFT, places);
  const converge = group.last_good_revision_id === null ? null : 'entering';
  await tx.executeMany(
    `INSERT INTO group_hosts (group_id, host_id, revision_id, instance_health, last_deployment_id, converge)
     VALUES (?, ?, NULL, 'Unknown', NULL, ?) ON CONFLICT (group_id, host_id) DO NOTHING`,
    hostIds.map((hostId) => [group.id, hostId, converge]),
  );
  if ((await tx.selectRaw(IS_DEPLOYED_TO, [group.id])).length === 0) return;
  for (const hostId of hostIds)
    if ((await tx.selectRaw(TAKEN_FOR_HEALTHY, [hostId, group.id])).length > 0)
      await updatePendingHealth(tx, group.id, [hostId], false);
}

/** Returns the groups that it has left. */
async function leave(tx: DatabaseTransaction, hostId: string, stays: ReadonlySet<string>): Promise<string[]> {
  const rows = await tx.query.selectFrom('group_hosts').select('group_id').where('host_id', '=', hostId).execute();
  const left = rows.map((row) => row.group_id).filter((groupId) => !stays.has(groupId));
  await removeRows(
    tx,
    left.map((groupId) => [groupId, hostId]),
  );
  return left;
}

function selects(group: DeploymentGroupRow, host: SelectedHost): boolean {
  return isSelected(settingsOf(group).selection, asSelectable(host));
}

function asSelectable(host: SelectedHost) {
  return { name: host.name, tags: tagsOf(host), scalingGroup: host.scaling_group };
}

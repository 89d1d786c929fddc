import type { DeploymentId, HostId, RevisionId } from '../../shared/core/ids.ts';
import { hostPresence } from '../../shared/model/host.ts';
import { minimumHealthyCount } from '../rollout/minimum-healthy.ts';
import { decideScaleOut, type OwedHost } from '../rollout/scale-out.ts';
import type { Database, DatabaseTransaction } from '../storage/database.ts';
import { insertAudit } from '../storage/rows/audit.ts';
import { findDeploymentConfig } from '../storage/rows/deployment-configs.ts';
import { settingsOf } from '../storage/rows/deployment-groups.ts';
import type { DeploymentGroupRow } from '../storage/tables.ts';
import { lastGoodFileExistsBehavior } from './last-good.ts';
import { type InsertParts, insertDeployment, type NewTarget } from './new-deployment.ts';

/** Hosts that one round brings in; the rest follow in the next ones. */
const HOSTS_PER_ROUND = 500;

/**
 * One transaction: look at what the group owes, decide, create the deployments. Returns their ids, and those of what it has stopped. A host that is part of a
 * running deployment of the group is left to it; when that ends, the group is looked at again.
 */
export async function convergeGroup(
  database: Database,
  parts: InsertParts,
  groupId: string,
  now: number,
): Promise<string[]> {
  return database.transaction(async (tx) => {
    const group = await tx.query
      .selectFrom('deployment_groups')
      .selectAll()
      .where('id', '=', groupId)
      .executeTakeFirst();
    if (group === undefined) return [];
    const active = await tx.query
      .selectFrom('deployments')
      .select('id')
      .where('group_id', '=', groupId)
      .where('is_active', '=', 1)
      .where('occupies_group', '=', 1)
      .executeTakeFirst();
    const owed = await loadOwed(tx, groupId, now);
    const byId = new Map(owed.map((host) => [host.hostId as string, host]));
    const created = await stopForThoseThatLeft(tx, parts, groupId, now);
    for (const decision of decideScaleOut({
      lastGoodRevisionId: group.last_good_revision_id as RevisionId | null,
      leavesOutdatedAlone: settingsOf(group).outdatedInstancesStrategy === 'IGNORE',
      activeDeploymentId: (active?.id ?? null) as DeploymentId | null,
      owed,
    })) {
      if (decision.kind === 'settle') {
        await tx.query
          .updateTable('group_hosts')
          .set({ converge: null })
          .where('group_id', '=', groupId)
          .where('host_id', '=', decision.hostId)
          .execute();
        continue;
      }
      const hostIds = decision.kind === 'bring-in' ? [decision.hostId] : decision.hostIds;
      // Those that are down first: healing them costs no service. The sort is stable.
      const targets = hostIds
        .map((id) => ({
          hostId: id,
          hostName: byId.get(id)?.name ?? id,
          wasHealthy: decision.kind === 'follow-on' && byId.get(id)?.isHealthy === true,
        }))
        .sort((a, b) => Number(a.wasHealthy) - Number(b.wasHealthy));
      const id = await createFor(tx, parts, group, decision, targets, now);
      if (id !== null) created.push(id);
    }
    return created;
  });
}

/** Nothing is brought in to a host that is of the group no more; where it has begun already it goes on to its end. */
async function stopForThoseThatLeft(
  tx: DatabaseTransaction,
  parts: InsertParts,
  groupId: string,
  now: number,
): Promise<string[]> {
  const waiting = await tx.selectRaw<{ id: string }>(
    `SELECT d.id FROM deployments d CROSS JOIN targets t ON t.deployment_id = d.id AND t.status = 'Pending'
     LEFT JOIN group_hosts m ON m.group_id = d.group_id AND m.host_id = t.host_id
     WHERE d.is_active = 1 AND d.creator = 'autoscaling' AND d.group_id = ? AND d.stop_requested_at IS NULL AND m.host_id IS NULL`,
    [groupId],
  );
  await tx.executeMany(
    `UPDATE deployments SET stop_requested_at = ?, stop_requested_by = 'the coordinator, since the host has left the group',
       version = version + 1, change_sequence = ? WHERE id = ?`,
    waiting.map(({ id }) => [now, parts.changes.next(), id]),
  );
  return waiting.map(({ id }) => id);
}

/**
 * The host `g.host_id` has no target of this status in a running deployment of the group. Each status has an index by host; the join
 * keeps the planner from looking for each host in every running deployment, which took a second for a fleet that is brought in.
 */
const isNoTarget = (status: 'Pending' | 'InProgress') => `NOT EXISTS (
    SELECT 1 FROM targets t CROSS JOIN deployments d ON d.id = t.deployment_id
    WHERE t.host_id = g.host_id AND t.status = '${status}' AND d.group_id = g.group_id AND d.is_active = 1)`;

/**
 * A deployment of the group counts on the host `g.host_id`: it has had its revision from it while it was out of the group; or it was passed over
 * and serves. Bringing it in takes it out of service, and what it would bring may be the old revision by the end of that deployment: it waits
 * for that.
 */
const SERVES_BESIDE_A_DEPLOYMENT = `EXISTS (
    SELECT 1 FROM deployments d JOIN targets t ON t.host_id = g.host_id AND t.deployment_id = d.id
    WHERE d.group_id = g.group_id AND d.is_active = 1 AND d.occupies_group = 1
      AND (t.status = 'Succeeded' OR (t.status = 'Failed' AND g.instance_health = 'Healthy')))`;
/** So does a rollback on the hosts that it leaves alone, also when one has been in another group meanwhile and is back with what that has brought. */
const LEFT_ALONE_BY_A_ROLLBACK = `EXISTS (
    SELECT 1 FROM deployments d JOIN targets t ON t.host_id = g.host_id AND t.deployment_id = d.rollback_triggering_deployment_id
    WHERE d.group_id = g.group_id AND d.is_active = 1 AND d.occupies_group = 1
      AND NOT EXISTS (SELECT 1 FROM targets own WHERE own.host_id = g.host_id AND own.deployment_id = d.id))`;

/**
 * The host `g.host_id` is back, and tells in a moment how a deployment of the group ended in which it was given up. It may have the good
 * revision from that: bringing it in before would take out of service for nothing all that were cut off together.
 */
const TELLS_ITS_END = `h.presence = 'Online' AND EXISTS (
    SELECT 1 FROM targets t JOIN deployments d ON d.id = t.deployment_id
    WHERE t.host_id = g.host_id AND t.late_end_until > ? AND d.group_id = g.group_id)`;

async function loadOwed(
  tx: DatabaseTransaction,
  groupId: string,
  now: number,
): Promise<(OwedHost & { name: string; isHealthy: boolean })[]> {
  const rows = await tx.selectRaw<{
    host_id: string;
    name: string;
    converge: string;
    revision_id: string | null;
    instance_health: string;
    presence: string;
  }>(
    `SELECT g.host_id, h.name, g.converge, g.revision_id, g.instance_health, h.presence
     FROM group_hosts g JOIN hosts h ON h.id = g.host_id
     WHERE g.group_id = ? AND g.converge IN ('entering', 'behind')
       AND ${isNoTarget('Pending')} AND ${isNoTarget('InProgress')} AND NOT (${SERVES_BESIDE_A_DEPLOYMENT})
       AND NOT (${LEFT_ALONE_BY_A_ROLLBACK}) AND NOT (${TELLS_ITS_END})
     ORDER BY h.presence = 'Online' DESC, g.converge DESC, h.name LIMIT ${HOSTS_PER_ROUND}`,
    [groupId, now],
  );
  return rows.map((row) => ({
    hostId: row.host_id as HostId,
    name: row.name,
    converge: row.converge === 'entering' ? 'entering' : 'behind',
    revisionId: row.revision_id as RevisionId | null,
    isUnhealthy: row.instance_health === 'Unhealthy',
    // One that has never been deployed to is neither.
    isHealthy: row.instance_health === 'Healthy',
    presence: hostPresence.parse(row.presence),
  }));
}

async function createFor(
  tx: DatabaseTransaction,
  parts: InsertParts,
  group: DeploymentGroupRow,
  decision: { kind: 'bring-in' | 'follow-on'; revisionId: RevisionId },
  targets: NewTarget[],
  now: number,
): Promise<string | null> {
  const revision = await tx.query
    .selectFrom('revisions')
    .selectAll()
    .where('id', '=', decision.revisionId)
    .executeTakeFirst();
  if (revision === undefined) return null;
  const settings = settingsOf(group);
  const config = await findDeploymentConfig(tx.query, settings.deploymentConfigName);
  const isFollowOn = decision.kind === 'follow-on';
  const row = await insertDeployment(
    tx,
    parts,
    {
      group,
      revision,
      creator: isFollowOn ? 'CodeDeployAutoUpdate' : 'autoscaling',
      createdBy: 'coordinator',
      description: isFollowOn
        ? `${targets.length} hosts that joined during ${group.last_successful_deployment_id} follow on`
        : `${targets[0]?.hostName} entered the group`,
      configName: isFollowOn ? settings.deploymentConfigName : 'CodeDeployDefault.AllAtOnce',
      minimum: isFollowOn ? config.minimumHealthyHosts : { type: 'FLEET_PERCENT', value: 0 },
      // The group's minimum may be all of the few hosts that follow on: it has to leave one to start with.
      ...(isFollowOn
        ? {
            minimumCount: Math.min(minimumHealthyCount(config.minimumHealthyHosts, targets.length), targets.length - 1),
          }
        : {}),
      targets,
      alreadyCurrentHosts: 0,
      ignoreApplicationStopFailures: false,
      updateOutdatedInstancesOnly: isFollowOn,
      fileExistsBehavior: await lastGoodFileExistsBehavior(tx, group),
      autoRollback: { enabled: false, events: [] },
      hookEnvironment: settings.hookEnvironment,
      isPartial: true,
      idempotencyKey: null,
      followsDeploymentId: isFollowOn ? group.last_successful_deployment_id : null,
      rollbackTriggeringDeploymentId: null,
    },
    now,
  );
  await insertAudit(tx.query, {
    at: now,
    caller: { kind: 'coordinator' },
    action: 'deployment.create',
    subject: row.id,
    details: { creator: row.creator, revision: revision.label, hosts: targets.length },
  });
  return row.id;
}

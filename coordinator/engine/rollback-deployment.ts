import { autoRollback } from '../../shared/model/deployment-group.ts';
import { minimumHealthyCount, minimumOfOneLess } from '../rollout/minimum-healthy.ts';
import type { DatabaseTransaction } from '../storage/database.ts';
import { insertAudit } from '../storage/rows/audit.ts';
import { settingsOf } from '../storage/rows/deployment-groups.ts';
import { minimumOf } from '../storage/rows/deployments.ts';
import type { DeploymentRow } from '../storage/tables.ts';
import { lastGoodFileExistsBehavior } from './last-good.ts';
import { type InsertParts, insertDeployment, type NewTarget } from './new-deployment.ts';

/**
 * The rollback of a deployment that has just ended: the hosts that it touched, and those of its hosts that are down, are being brought in or
 * run something else than the good revision for another reason. The others run it and are left alone, but they count in the
 * arithmetic, so the same minimum of the same fleet holds.
 */
export async function createRollback(
  tx: DatabaseTransaction,
  parts: InsertParts,
  failed: DeploymentRow,
  revisionId: string,
  now: number,
): Promise<{ id: string } | { message: string }> {
  const group = await tx.query
    .selectFrom('deployment_groups')
    .selectAll()
    .where('id', '=', failed.group_id)
    .executeTakeFirst();
  const revision = await tx.query.selectFrom('revisions').selectAll().where('id', '=', revisionId).executeTakeFirst();
  if (group === undefined || revision === undefined)
    return {
      message: 'The last good revision or its deployment group has been deleted: there is nothing to roll back to.',
    };

  const hosts = await tx.selectRaw<{
    host_id: string;
    host_name: string;
    status: string;
    was_healthy: number;
    started_at: number | null;
    revision_id: string | null;
    instance_health: string | null;
    is_member: number;
    is_brought_in: number;
  }>(
    // A host that was forgotten meanwhile is neither healed nor counted.
    `SELECT t.host_id, t.host_name, t.status, t.was_healthy, t.started_at, g.revision_id,
       g.instance_health, g.host_id IS NOT NULL AS is_member,
       EXISTS (SELECT 1 FROM targets b JOIN deployments o ON o.id = b.deployment_id
         WHERE b.host_id = t.host_id AND b.status IN ('Pending', 'InProgress') AND o.is_active = 1 AND o.group_id = ?
           AND o.creator = 'autoscaling') AS is_brought_in
     FROM targets t JOIN hosts h ON h.id = t.host_id
     LEFT JOIN group_hosts g ON g.group_id = ? AND g.host_id = t.host_id
     WHERE t.deployment_id = ? ORDER BY t.position`,
    [failed.group_id, failed.group_id, failed.id],
  );
  const wasTouched = (host: (typeof hosts)[number]) => host.started_at !== null && host.status !== 'Skipped';
  // Broken with the good revision on it, and out of reach at its turn: it does not serve, so it must not count as current.
  const isBroken = (host: (typeof hosts)[number]) => host.instance_health === 'Unhealthy';
  // What it told last, which may be later than the failed deployment's plan and its end on the host. One that has left the group meanwhile, also
  // when it is back and nothing is known of it there, serves what that brought, or what it ran before if its turn did not come.
  const serves = (host: (typeof hosts)[number]) =>
    host.instance_health === null || host.instance_health === 'Unknown'
      ? host.status === 'Succeeded' || (!wasTouched(host) && host.was_healthy === 1)
      : host.instance_health === 'Healthy';
  // What it runs is another group's matter by now, and this deployment has changed nothing of it.
  const hasLeftUntouched = (host: (typeof hosts)[number]) =>
    host.is_member === 0 && !wasTouched(host) && host.was_healthy === 1;
  // It runs the good revision, and what is to bring that in takes it out of service, and may break it: as a target it is counted so, and healed.
  const isBroughtIn = (host: (typeof hosts)[number]) => host.is_brought_in === 1;
  const toHeal = hosts.filter(
    (host) =>
      wasTouched(host) ||
      isBroken(host) ||
      isBroughtIn(host) ||
      (host.revision_id !== revisionId && !hasLeftUntouched(host)),
  );
  if (toHeal.length === 0)
    return { message: 'Every host that was touched has been forgotten: there is nothing to roll back.' };
  const minimum = minimumOf(failed);
  // Broken hosts first: healing them costs no service. The sort is stable, so the plan's order stays inside each half.
  const targets: NewTarget[] = toHeal
    .map((host) => ({
      hostId: host.host_id,
      hostName: host.host_name,
      wasHealthy: serves(host),
    }))
    .sort((a, b) => Number(a.wasHealthy) - Number(b.wasHealthy));
  const row = await insertDeployment(
    tx,
    parts,
    {
      group,
      revision,
      creator: 'codeDeployRollback',
      createdBy: 'coordinator',
      description: `Rollback of ${failed.id} (${failed.revision_label}) to ${revision.label}`,
      configName: failed.config_name,
      minimum,
      minimumCount: minimumOfThoseLeft(failed, hosts.length),
      targets,
      alreadyCurrentHosts: hosts.length - targets.length,
      ignoreApplicationStopFailures: true,
      updateOutdatedInstancesOnly: false,
      fileExistsBehavior: await lastGoodFileExistsBehavior(tx, group),
      autoRollback: autoRollback.parse(JSON.parse(failed.auto_rollback)),
      hookEnvironment: settingsOf(group).hookEnvironment,
      isPartial: failed.is_partial === 1,
      idempotencyKey: null,
      followsDeploymentId: null,
      rollbackTriggeringDeploymentId: failed.id,
    },
    now,
  );
  await insertAudit(tx.query, {
    at: now,
    caller: { kind: 'coordinator' },
    action: 'deployment.create',
    subject: row.id,
    details: { rollbackOf: failed.id, revision: revision.label, hosts: targets.length },
  });
  return { id: row.id };
}

/** As the failed deployment counts it: where one of its hosts could be out, one of those that are left may be. */
function minimumOfThoseLeft(failed: DeploymentRow, hostsLeft: number): number {
  const minimum = minimumOf(failed);
  let hosts = failed.total_hosts - failed.forgotten_hosts;
  let minimumCount = failed.minimum_count ?? minimumHealthyCount(minimum, hosts);
  for (; hosts > hostsLeft; hosts--) minimumCount = minimumOfOneLess(minimum, { hosts, minimumCount });
  return minimumCount;
}

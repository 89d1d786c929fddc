import type * as z from 'zod';
import type { createDeploymentBody } from '../../shared/api/deployments.ts';
import { AppError } from '../../shared/core/errors.ts';
import { instanceHealth, type RevisionHealth } from '../../shared/model/host.ts';
import { inPlanOrder, isHealthy, matches } from '../domain/target-selection.ts';
import type { NewTarget } from '../engine/new-deployment.ts';
import type { DatabaseTransaction } from '../storage/database.ts';
import { tagsOf } from '../storage/rows/hosts.ts';
import type { DeploymentGroupRow } from '../storage/tables.ts';
import { reconcileGroup } from './membership.ts';

type Wanted = Pick<
  z.infer<typeof createDeploymentBody>,
  'onlyTagFilters' | 'onlyHostNames' | 'onlyFailedOf' | 'updateOutdatedInstancesOnly'
>;

/**
 * The hosts of a deployment in the order of its plan, resolved in the transaction that creates it. Empty only when the
 * group selects no host at all; a restriction that leaves none is refused, since the operator meant some.
 * @throws AppError `conflict` with `details.reason: 'nothing_to_do'`; `invalid` for a restriction that cannot be
 */
export async function selectTargets(
  tx: DatabaseTransaction,
  group: DeploymentGroupRow,
  revisionId: string,
  wanted: Wanted,
): Promise<{ targets: NewTarget[]; isPartial: boolean }> {
  const members = await reconcileGroup(tx, group);
  const facts = await healthOf(tx, group);
  const all = members.map((host) => {
    const fact = facts.get(host.id);
    const runs = fact?.revision_id ?? null;
    const revisionHealth: RevisionHealth =
      runs === null ? 'Unknown' : runs === group.last_good_revision_id ? 'Current' : 'Old';
    return {
      id: host.id,
      name: host.name,
      tags: host.tags,
      revisionId: runs,
      instanceHealth: instanceHealth.parse(fact?.instance_health ?? 'Unknown'),
      revisionHealth,
      isOffline: fact?.presence === 'Offline',
    };
  });
  const failedBefore = wanted.onlyFailedOf === undefined ? null : await failedHosts(tx, group, wanted.onlyFailedOf);
  const chosen = all.filter(
    (host) =>
      (wanted.onlyHostNames === undefined || wanted.onlyHostNames.includes(host.name)) &&
      (wanted.onlyTagFilters === undefined || wanted.onlyTagFilters.some((filter) => matches(filter, tagsOf(host)))) &&
      (failedBefore === null || failedBefore.has(host.id)) &&
      // One that is broken with the revision on it does not serve: it is no more up to date than one with another revision.
      (!wanted.updateOutdatedInstancesOnly || host.revisionId !== revisionId || host.instanceHealth === 'Unhealthy'),
  );
  refuseUnknownNames(
    wanted.onlyHostNames,
    all.map((host) => host.name),
    group,
  );
  if (chosen.length === 0 && all.length > 0)
    throw new AppError('conflict', 'no host is left to deploy to', {
      hint: wanted.updateOutdatedInstancesOnly
        ? 'Every host of the group runs this revision already.'
        : 'No host of the group matches the restriction.',
      details: { reason: 'nothing_to_do' },
    });
  const targets = inPlanOrder(chosen).map((host) => ({
    hostId: host.id,
    hostName: host.name,
    wasHealthy: isHealthy(host),
  }));
  const isRestricted =
    wanted.onlyHostNames !== undefined || wanted.onlyTagFilters !== undefined || wanted.onlyFailedOf !== undefined;
  return { targets, isPartial: isRestricted && chosen.length < all.length };
}

interface HealthFact {
  host_id: string;
  revision_id: string | null;
  instance_health: string;
  presence: string;
}

async function healthOf(tx: DatabaseTransaction, group: DeploymentGroupRow): Promise<Map<string, HealthFact>> {
  const rows = await tx.selectRaw<HealthFact>(
    `SELECT g.host_id, g.revision_id, g.instance_health, h.presence
     FROM group_hosts g JOIN hosts h ON h.id = g.host_id WHERE g.group_id = ?`,
    [group.id],
  );
  return new Map(rows.map((row) => [row.host_id, row]));
}

async function failedHosts(
  tx: DatabaseTransaction,
  group: DeploymentGroupRow,
  deploymentId: string,
): Promise<Set<string>> {
  const deployment = await tx.query
    .selectFrom('deployments')
    .select(['group_id', 'is_active'])
    .where('id', '=', deploymentId)
    .executeTakeFirst();
  if (deployment === undefined || deployment.group_id !== group.id)
    throw new AppError('invalid', `onlyFailedOf: ${deploymentId} is not a deployment of this group`, {
      hint: `List them: drover history --app ${group.application} --group ${group.name}`,
    });
  const rows = await tx.query
    .selectFrom('targets')
    .select('host_id')
    .where('deployment_id', '=', deploymentId)
    .where('status', 'in', ['Failed', 'Skipped'])
    .execute();
  return new Set(rows.map((row) => row.host_id));
}

function refuseUnknownNames(
  wanted: readonly string[] | undefined,
  known: readonly string[],
  group: DeploymentGroupRow,
): void {
  const missing = wanted?.filter((name) => !known.includes(name)) ?? [];
  if (missing.length > 0)
    throw new AppError('invalid', `onlyHostNames: ${missing.slice(0, 5).join(', ')} not in the group`, {
      hint: `See its hosts: drover groups show ${group.application}/${group.name}`,
    });
}

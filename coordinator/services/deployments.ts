import type * as z from 'zod';
import type { createDeploymentBody, deploymentRoutes } from '../../shared/api/deployments.ts';
import type { Clock } from '../../shared/core/clock.ts';
import { AppError } from '../../shared/core/errors.ts';
import type { Randomness } from '../../shared/core/randomness.ts';
import { type Deployment, deploymentCan } from '../../shared/model/deployment.ts';
import type { Revision } from '../../shared/model/revision.ts';
import { type Caller, callerName } from '../auth/caller.ts';
import { refuseReserved } from '../domain/reserved-names.ts';
import type { Engine } from '../engine/engine.ts';
import { fileExistsBehaviorOf } from '../engine/last-good.ts';
import { insertDeployment } from '../engine/new-deployment.ts';
import type { TriggerOutbox } from '../engine/trigger-outbox.ts';
import type { ChangeSequence } from '../storage/change-sequence.ts';
import type { Database, DatabaseTransaction } from '../storage/database.ts';
import { insertAudit } from '../storage/rows/audit.ts';
import { findDeploymentConfig } from '../storage/rows/deployment-configs.ts';
import { deploymentGroupRow, settingsOf } from '../storage/rows/deployment-groups.ts';
import { deploymentRow, toDeployment } from '../storage/rows/deployments.ts';
import { digestPrefixIn, findRevision, LATEST, toRevision } from '../storage/rows/revisions.ts';
import type { DeploymentGroupRow, DeploymentRow } from '../storage/tables.ts';
import { selectTargets } from './target-plan.ts';
import { revisionToGoBackTo } from './way-back.ts';

type CreateBody = z.infer<typeof createDeploymentBody>;
type Routes = typeof deploymentRoutes;
type StopBody = z.infer<Routes['stopDeployment']['body']>;
type RollbackBody = z.infer<Routes['rollbackGroup']['body']>;

export interface DeploymentsParts {
  database: Database;
  changes: ChangeSequence;
  clock: Clock;
  randomness: Randomness;
  engine: Pick<Engine, 'wakeDeployment' | 'wakeGroup' | 'callBack'>;
  settings: { deploymentTimeoutMs: number };
  changed(deploymentId: string): void;
  triggers: TriggerOutbox;
}

export interface Deployments {
  /** @throws AppError `not_found`; `conflict` with `details.activeDeploymentId`, or with `details.reason: 'nothing_to_do'` */
  create(body: CreateBody, caller: Caller): Promise<Deployment>;
  /**
   * The revision of the group's last successful deployment once more: to restart it on all of its hosts, or to bring it to
   * those that do not run it (`updateOutdatedInstancesOnly`). Errors as for `create`; `not_found` when there is none yet.
   */
  createOfLastGood(body: Omit<CreateBody, 'revision'>, caller: Caller): Promise<Deployment>;
  /** @throws AppError `not_found`; `conflict` when it has ended */
  stop(id: string, body: StopBody, caller: Caller): Promise<z.infer<Routes['stopDeployment']['reply']>>;
  /** @throws AppError `not_found`; `conflict` when there is nothing to go back to */
  /** @throws AppError `conflict` with `details.reason: 'no_rollback_target'` when there is none */
  rollbackRevision(group: { application: string; group: string }): Promise<{ revision: Revision }>;
  rollbackGroup(group: { application: string; group: string }, body: RollbackBody, caller: Caller): Promise<Deployment>;
}

export function createDeployments(parts: DeploymentsParts): Deployments {
  const { database, clock, engine } = parts;
  const insertParts = {
    randomness: parts.randomness,
    changes: parts.changes,
    deploymentTimeoutMs: parts.settings.deploymentTimeoutMs,
    triggers: parts.triggers,
  };

  const create = (body: CreateBody, caller: Caller) => createOf(body, caller, async () => body.revision);

  const createOfLastGood: Deployments['createOfLastGood'] = (body, caller) =>
    createOf({ ...body, isRestart: !body.updateOutdatedInstancesOnly }, caller, async (_tx, group) => {
      if (group.last_good_revision_id !== null) return group.last_good_revision_id;
      throw new AppError('not_found', `${group.application}/${group.name} has had no successful deployment yet`, {
        hint: 'Name the revision to deploy.',
        details: { noun: 'revision' },
      });
    });

  /**
   * `revisionOf` is asked in the transaction that creates the deployment.
   * @param body fileExistsBehavior: null for that with which the revision has succeeded last
   */
  async function createOf(
    body: Omit<CreateBody, 'revision' | 'fileExistsBehavior'> & {
      revision?: string;
      fileExistsBehavior: CreateBody['fileExistsBehavior'] | null;
      isRestart?: boolean;
    },
    caller: Caller,
    revisionOf: (tx: DatabaseTransaction, group: DeploymentGroupRow) => Promise<string>,
  ): Promise<Deployment> {
    const { row, isNew } = await database.transaction(async (tx) => {
      refuseReserved(body.application);
      const earlier = await findByKey(tx, body.idempotencyKey);
      if (earlier !== undefined) {
        checkSameRequest(earlier, body);
        await refuseNamesake(tx, earlier);
        await refuseOtherHosts(tx, earlier, body);
        return { row: earlier, isNew: false };
      }
      const group = await deploymentGroupRow(tx.query, { application: body.application, group: body.deploymentGroup });
      const revision = await findRevision(tx.query, body.application, await revisionOf(tx, group));
      const settings = settingsOf(group);
      const configName = body.deploymentConfigName ?? settings.deploymentConfigName;
      const config = await findDeploymentConfig(tx.query, configName);
      await refuseSecondActive(tx, group);
      const plan = await selectTargets(tx, group, revision.id, body);
      const now = clock.now();
      const created = await insertDeployment(
        tx,
        insertParts,
        {
          group,
          revision,
          creator: 'user',
          createdBy: callerName(caller),
          description: body.description,
          configName,
          minimum: config.minimumHealthyHosts,
          targets: plan.targets,
          alreadyCurrentHosts: 0,
          ignoreApplicationStopFailures: body.ignoreApplicationStopFailures,
          updateOutdatedInstancesOnly: body.updateOutdatedInstancesOnly,
          fileExistsBehavior: body.fileExistsBehavior ?? (await fileExistsBehaviorOf(tx, group, revision.id)),
          autoRollback: body.autoRollback ?? settings.autoRollback,
          hookEnvironment: settings.hookEnvironment,
          isPartial: plan.isPartial,
          isRestart: body.isRestart ?? false,
          idempotencyKey: body.idempotencyKey ?? null,
          followsDeploymentId: null,
          rollbackTriggeringDeploymentId: null,
        },
        now,
      );
      await insertAudit(tx.query, {
        at: now,
        caller,
        action: 'deployment.create',
        subject: created.id,
        details: {
          application: group.application,
          deploymentGroup: group.name,
          revision: revision.label,
          digest: revision.digest,
          hosts: plan.targets.length,
          description: body.description,
        },
      });
      return { row: created, isNew: true };
    });
    if (isNew) engine.wakeDeployment(row.id);
    return toDeployment(row);
  }

  async function stop(id: string, body: StopBody, caller: Caller) {
    const row = await database.transaction(async (tx) => {
      const current = await deploymentRow(tx.query, id);
      if (!deploymentCan.stop(toDeployment(current)))
        throw new AppError('conflict', `${id} has ended already: it is ${current.status}`, {
          hint: `See how it ended: drover status ${id}`,
          details: { reason: 'deployment_ended', status: current.status },
        });
      // The first stop stands; a later one may still say whether to roll back.
      const now = clock.now();
      const stopped = await tx.query
        .updateTable('deployments')
        .set({
          stop_requested_at: current.stop_requested_at ?? now,
          stop_requested_by: current.stop_requested_by ?? callerName(caller),
          stop_rollback: body.rollback === undefined ? current.stop_rollback : body.rollback ? 1 : 0,
          version: current.version + 1,
          change_sequence: parts.changes.next(),
        })
        .where('id', '=', id)
        .returningAll()
        .executeTakeFirstOrThrow();
      await insertAudit(tx.query, {
        at: now,
        caller,
        action: 'deployment.stop',
        subject: id,
        details: { reason: body.reason, rollback: body.rollback ?? null },
      });
      return stopped;
    });
    engine.wakeDeployment(id);
    // Its end was decided before: it goes on to that, and nothing of the stop is left to decide.
    if (row.ending_as !== null) await engine.callBack({ id, groupId: row.group_id });
    parts.changed(id);
    const deployment = toDeployment(row);
    return {
      stopStatus: deployment.overview.InProgress > 0 ? ('Pending' as const) : ('Succeeded' as const),
      deployment,
    };
  }

  async function rollbackGroup(
    { application, group: groupName }: { application: string; group: string },
    body: RollbackBody,
    caller: Caller,
  ): Promise<Deployment> {
    return createOf(
      {
        application,
        deploymentGroup: groupName,
        ...(body.to === undefined ? {} : { revision: body.to }),
        description: body.description === '' ? 'Rolled back by hand' : body.description,
        ignoreApplicationStopFailures: true,
        updateOutdatedInstancesOnly: false,
        // Source: AWS user guide, "Rollback behavior with existing content".
        fileExistsBehavior: null,
        ...(body.idempotencyKey === undefined ? {} : { idempotencyKey: body.idempotencyKey }),
      },
      caller,
      async (tx, group) => body.to ?? revisionToGoBackTo(tx, group),
    );
  }

  async function rollbackRevision(group: { application: string; group: string }) {
    const row = await database.transaction(async (tx) => {
      const id = await revisionToGoBackTo(tx, await deploymentGroupRow(tx.query, group));
      return tx.query.selectFrom('revisions').selectAll().where('id', '=', id).executeTakeFirstOrThrow();
    });
    return { revision: toRevision(row) };
  }

  return { create, createOfLastGood, stop, rollbackRevision, rollbackGroup };
}

async function findByKey(tx: DatabaseTransaction, key: string | undefined) {
  if (key === undefined) return undefined;
  return tx.query.selectFrom('deployments').selectAll().where('idempotency_key', '=', key).executeTakeFirst();
}

type Asked = Omit<CreateBody, 'revision' | 'fileExistsBehavior'> & { revision?: string };

/** A client that uses a key again for something else must not take the earlier deployment for what it asked for. */
function checkSameRequest(earlier: DeploymentRow, asked: Asked): void {
  if (earlier.application !== asked.application || earlier.group_name !== asked.deploymentGroup)
    throw keyConflict(earlier, 'of another group');
  // A rollback by hand goes on where ApplicationStop fails: the key of a deployment is not its key, too.
  if (
    earlier.ignore_application_stop_failures !== Number(asked.ignoreApplicationStopFailures) ||
    earlier.update_outdated_instances_only !== Number(asked.updateOutdatedInstancesOnly)
  )
    throw keyConflict(earlier, 'which was asked for with other options');
  // What `latest` meant then is not known now.
  if (asked.revision === undefined || asked.revision === LATEST) return;
  const { revision_id, revision_label, revision_digest } = earlier;
  if (asked.revision === revision_id || asked.revision === revision_label) return;
  const prefix = digestPrefixIn(asked.revision);
  if (prefix === null || !revision_digest.startsWith(prefix))
    throw keyConflict(earlier, `of revision ${revision_label}`);
}

/** Nor one of a part of the group for one of the whole, or of other hosts. Of tags only that is known: they may have changed. */
async function refuseOtherHosts(tx: DatabaseTransaction, earlier: DeploymentRow, asked: Asked): Promise<void> {
  const { onlyHostNames, onlyTagFilters, onlyFailedOf } = asked;
  const isRestricted = (onlyHostNames ?? onlyTagFilters ?? onlyFailedOf) !== undefined;
  if (!isRestricted && earlier.is_partial === 1) throw keyConflict(earlier, 'of a part of the group');
  if (onlyHostNames === undefined) return;
  const targets = await tx.query
    .selectFrom('targets')
    .select('host_name')
    .where('deployment_id', '=', earlier.id)
    .execute();
  const names = new Set(targets.map((target) => target.host_name));
  const other = [...names].find((name) => !onlyHostNames.includes(name));
  if (other !== undefined) throw keyConflict(earlier, `which is to ${other}, too`);
  // A host that is named is left out only by what else restricts.
  if ((onlyTagFilters ?? onlyFailedOf) !== undefined || asked.updateOutdatedInstancesOnly) return;
  const missing = onlyHostNames.find((name) => !names.has(name));
  if (missing !== undefined) throw keyConflict(earlier, `which is not to ${missing}`);
}

/** Nor for one of a group that was deleted and made again under its name: nothing was deployed to that. */
async function refuseNamesake(tx: DatabaseTransaction, earlier: DeploymentRow): Promise<void> {
  const group = await tx.query
    .selectFrom('deployment_groups')
    .select('id')
    .where('application', '=', earlier.application)
    .where('name', '=', earlier.group_name)
    .executeTakeFirst();
  if (group !== undefined && group.id !== earlier.group_id)
    throw keyConflict(earlier, 'of an earlier group of this name');
}

function keyConflict({ id }: DeploymentRow, which: string): AppError {
  return new AppError('conflict', `the idempotency key was used for ${id}, ${which}`, {
    hint: 'Use a new key for every deployment that you mean to create.',
  });
}

/** The message names the active one in the words that clients of CodeDeploy parse, and a field says it as well. */
async function refuseSecondActive(tx: DatabaseTransaction, group: DeploymentGroupRow): Promise<void> {
  const active = await tx.query
    .selectFrom('deployments')
    .select(['id', 'created_by', 'created_at'])
    .where('group_id', '=', group.id)
    .where('is_active', '=', 1)
    .where('occupies_group', '=', 1)
    .executeTakeFirst();
  if (active === undefined) return;
  throw new AppError(
    'conflict',
    `The Deployment Group '${group.name}' already has an active Deployment '${active.id}'`,
    {
      hint: `Watch it: drover watch ${active.id}. Stop it: drover stop ${active.id}`,
      details: { reason: 'active_deployment', activeDeploymentId: active.id, createdBy: active.created_by },
    },
  );
}

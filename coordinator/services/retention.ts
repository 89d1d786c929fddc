import type { Clock } from '../../shared/core/clock.ts';
import type { Logger } from '../../shared/core/logger.ts';
import type { RevisionStore } from '../revision-stores/revision-store.ts';
import type { Database } from '../storage/database.ts';
import { deleteUnusedRevisions } from './unused-revisions.ts';

export interface RetentionSettings {
  /** Output of hooks is kept this long after the end of its deployment. */
  outputDays: number;
  /** History is kept this long, and the last ones of every group for as long as there is the group. */
  deploymentDays: number;
  deploymentsPerGroup: number;
  /** Revisions are kept this long after they were pushed or used last, and those of every application that were pushed last for ever. */
  revisionDays: number;
  revisionsPerApplication: number;
  /** Tokens stay visible this long after they expired. */
  tokenDays: number;
  /** Messages of triggers that were given up are kept this long. */
  deadLetterDays: number;
}

export interface RetentionOutcome {
  deployments: number;
  agentUpdates: number;
  outputs: number;
  revisions: number;
  bundles: number;
  tokens: number;
  deadLetters: number;
}

const DAY_MS = 86_400_000;
/** A bundle without a revision may be an upload that is being registered just now. */
const BUNDLE_GRACE_MS = 3_600_000;
/** Targets cleared in one transaction: some milliseconds, so that reports do not wait behind a cleaning. */
const TARGETS_PER_STEP = 500;
/** Pieces of output, of 32 KiB at most: SQLite reads each page of them to set it free, 500 MB in a second from memory. */
const PIECES_PER_STEP = 256;
/** Deployments looked at in one run; the rest is for the next one. */
const DEPLOYMENTS_PER_RUN = 1_000;

const DELETE_OUTPUT = `DELETE FROM event_output WHERE target_id = ? AND (event, "offset") IN (
  SELECT event, "offset" FROM event_output WHERE target_id = ? LIMIT ${PIECES_PER_STEP})`;

/** That a host is not what it was when it left its group is seen by what was begun on it since: once that is gone, nothing is known of it. */
const FORGET_LEFT = `DELETE FROM left_group_hosts WHERE host_id = (SELECT host_id FROM targets WHERE id = ?) AND EXISTS (
  SELECT 1 FROM targets t JOIN deployments d ON d.id = t.deployment_id
    JOIN deployment_groups g ON g.id = left_group_hosts.group_id AND g.application = d.application
  WHERE t.id = ? AND t.started_at IS NOT NULL AND t.change_sequence > left_group_hosts.change_sequence)`;

/**
 * Removes what is old, in small steps. Never what a rollback may need: a group's last good revision and the one before, its last
 * deployments, what runs, and what hosts have installed. The audit record is never shortened.
 */
export function createRetention(parts: {
  database: Database;
  clock: Clock;
  logger: Logger;
  store: RevisionStore;
  settings: RetentionSettings;
  /** Resolves when what has come meanwhile (words of hosts, requests, timers) had its turn; nothing is waited for where it is not given. */
  nextTurn?: (() => Promise<void>) | undefined;
}) {
  const { database, clock, logger, store, settings } = parts;
  const { query } = database;

  return {
    /** @param stopping what is left then is for the next run. @throws the signal's reason */
    async run(stopping = new AbortController().signal): Promise<RetentionOutcome> {
      const now = clock.now();
      const outcome = {
        outputs: await clearOutput(now - settings.outputDays * DAY_MS, stopping),
        deployments: await deleteDeployments(now - settings.deploymentDays * DAY_MS, stopping),
        agentUpdates: await deleteAgentUpdates(now - settings.deploymentDays * DAY_MS),
        revisions: await deleteUnusedRevisions(database, {
          unusedSince: now - settings.revisionDays * DAY_MS,
          keptPerApplication: settings.revisionsPerApplication,
          pause: () => pause(stopping),
        }),
        bundles: await deleteBundles(now - BUNDLE_GRACE_MS, stopping),
        tokens: await deleteTokens(now, now - settings.tokenDays * DAY_MS),
        deadLetters: await deleteDeadLetters(now - settings.deadLetterDays * DAY_MS),
      };
      logger.info(outcome, 'retention done');
      return outcome;
    },
  };

  /** Between two steps. The database answers without a turn of the event loop, so that a whole night's work would be one. */
  async function pause(stopping: AbortSignal): Promise<void> {
    await parts.nextTurn?.();
    stopping.throwIfAborted();
  }

  async function clearOutput(endedBefore: number, stopping: AbortSignal): Promise<number> {
    const old = await query
      .selectFrom('deployments')
      .select('id')
      .where('output_cleared_at', 'is', null)
      .where('completed_at', '<', endedBefore)
      .orderBy('completed_at')
      .limit(DEPLOYMENTS_PER_RUN)
      .execute();
    let cleared = 0;
    for (const { id } of old) {
      await pause(stopping);
      if (await noteCleared(id)) continue;
      await inSteps(id, stopping, (targetIds) => deleteOutput(targetIds, stopping));
      await noteCleared(id);
      cleared++;
    }
    return cleared;
  }

  /** In one statement, so that none comes between the question and the note: what comes later takes the note away (`output-batch.ts`). */
  async function noteCleared(deploymentId: string): Promise<boolean> {
    const { numUpdatedRows } = await query
      .updateTable('deployments')
      .set({ output_cleared_at: clock.now() })
      .where('id', '=', deploymentId)
      .where((where) =>
        where.not(
          where.exists(
            where
              .selectFrom('targets')
              .innerJoin('event_output', 'event_output.target_id', 'targets.id')
              .select('targets.id')
              .where('targets.deployment_id', '=', deploymentId),
          ),
        ),
      )
      .executeTakeFirst();
    return numUpdatedRows > 0n;
  }

  /** A target may have as much of it as hundreds of others together. */
  async function deleteOutput(targetIds: readonly number[], stopping: AbortSignal): Promise<void> {
    const waiting = [...targetIds];
    while (waiting.length > 0) {
      await pause(stopping);
      await database.transaction(async (tx) => {
        for (let pieces = 0; pieces < PIECES_PER_STEP; ) {
          const [id] = waiting;
          if (id === undefined) return;
          const deleted = await tx.executeMany(DELETE_OUTPUT, [[id, id]]);
          if (deleted < PIECES_PER_STEP) waiting.shift();
          pieces += deleted;
        }
      });
    }
  }

  async function deleteDeployments(endedBefore: number, stopping: AbortSignal): Promise<number> {
    let deleted = 0;
    const groups = await query.selectFrom('deployments').select('group_id').distinct().execute();
    const existing = new Set((await query.selectFrom('deployment_groups').select('id').execute()).map(({ id }) => id));
    // Numbers of deployments and of changes go on from it.
    const newest = await query
      .selectFrom('deployments')
      .select('number')
      .orderBy('number', 'desc')
      .limit(1)
      .executeTakeFirst();
    for (const { group_id } of groups) {
      await pause(stopping);
      const oldestKept = existing.has(group_id) ? await oldestKeptOf(group_id) : newest;
      if (oldestKept === undefined) continue;
      const old = await query
        .selectFrom('deployments')
        .select('id')
        .where('group_id', '=', group_id)
        .where('is_active', '=', 0)
        .where('completed_at', '<', endedBefore)
        .where('number', '<', oldestKept.number)
        .where('id', 'not in', (group) =>
          group
            .selectFrom('deployment_groups')
            .select('last_successful_deployment_id')
            .where('deployment_groups.id', '=', group_id)
            .where('last_successful_deployment_id', 'is not', null)
            .$castTo<{ id: string }>(),
        )
        // Which hosts have had their turn is read from the waves, and how many waves there were.
        .where('id', 'not in', (waves) =>
          waves
            .selectFrom('agent_update_waves')
            .innerJoin('agent_updates', 'agent_updates.id', 'agent_update_waves.update_id')
            .select('agent_update_waves.deployment_id')
            .where('agent_updates.status', '=', 'InProgress'),
        )
        .orderBy('number')
        .limit(DEPLOYMENTS_PER_RUN - deleted)
        .execute();
      for (const { id } of old) await deleteDeployment(id, stopping);
      deleted += old.length;
      if (deleted >= DEPLOYMENTS_PER_RUN) break;
    }
    return deleted;
  }

  function oldestKeptOf(groupId: string) {
    return query
      .selectFrom('deployments')
      .select('number')
      .where('group_id', '=', groupId)
      .orderBy('number', 'desc')
      .offset(settings.deploymentsPerGroup - 1)
      .limit(1)
      .executeTakeFirst();
  }

  async function deleteDeployment(id: string, stopping: AbortSignal): Promise<void> {
    await inSteps(id, stopping, async (targetIds) => {
      await deleteOutput(targetIds, stopping);
      await database.transaction(async (tx) => {
        await tx.executeMany(
          FORGET_LEFT,
          targetIds.map((targetId) => [targetId, targetId]),
        );
        // What has come since.
        await tx.query.deleteFrom('event_output').where('target_id', 'in', targetIds).execute();
        await tx.query.deleteFrom('lifecycle_events').where('target_id', 'in', targetIds).execute();
        await tx.query.deleteFrom('targets').where('id', 'in', targetIds).execute();
      });
    });
    await query.deleteFrom('deployments').where('id', '=', id).execute();
  }

  /** A deployment's targets some hundred at a time, so that others get the database in between. */
  async function inSteps(
    deploymentId: string,
    stopping: AbortSignal,
    step: (targetIds: number[]) => Promise<unknown>,
  ): Promise<void> {
    let after = -1;
    for (;;) {
      await pause(stopping);
      const rows = await query
        .selectFrom('targets')
        .select('id')
        .where('deployment_id', '=', deploymentId)
        .where('id', '>', after)
        .orderBy('id')
        .limit(TARGETS_PER_STEP)
        .execute();
      const last = rows.at(-1);
      if (last === undefined) return;
      await step(rows.map((row) => row.id));
      after = last.id;
    }
  }

  /** Once none of their deployments is kept any more. */
  async function deleteAgentUpdates(endedBefore: number): Promise<number> {
    const { numDeletedRows } = await query
      .deleteFrom('agent_updates')
      .where('completed_at', '<', endedBefore)
      .where('id', 'not in', (waves) =>
        waves
          .selectFrom('agent_update_waves')
          .innerJoin('deployments', 'deployments.id', 'agent_update_waves.deployment_id')
          .select('agent_update_waves.update_id'),
      )
      .executeTakeFirst();
    await query
      .deleteFrom('agent_update_waves')
      .where('update_id', 'not in', (updates) => updates.selectFrom('agent_updates').select('id'))
      .execute();
    return Number(numDeletedRows);
  }

  async function deleteBundles(storedBefore: number, stopping: AbortSignal): Promise<number> {
    let deleted = 0;
    for await (const { digest, storedAt } of store.list()) {
      await pause(stopping);
      if (storedAt >= storedBefore) continue;
      const revision = await query
        .selectFrom('revisions')
        .select('id')
        .where('digest', '=', digest)
        .limit(1)
        .executeTakeFirst();
      if (revision !== undefined) continue;
      // It may be pushed anew since it was listed, and be registered in a moment.
      if (await store.delete(digest, { storedBefore })) deleted++;
    }
    return deleted;
  }

  async function deleteDeadLetters(deadBefore: number): Promise<number> {
    const { numDeletedRows } = await query
      .deleteFrom('trigger_messages')
      .where('dead_at', '<', deadBefore)
      .executeTakeFirst();
    return Number(numDeletedRows);
  }

  async function deleteTokens(now: number, expiredBefore: number): Promise<number> {
    const join = await query.deleteFrom('join_tokens').where('expires_at', '<', expiredBefore).executeTakeFirst();
    const operator = await query
      .deleteFrom('operator_tokens')
      .where('expires_at', 'is not', null)
      .where('expires_at', '<', Math.min(now, expiredBefore))
      .executeTakeFirst();
    const keys = await query
      .deleteFrom('access_keys')
      .where((where) =>
        where.or([
          where('expires_at', '<', expiredBefore),
          where.and([
            where('operator_token_id', 'is not', null),
            where('operator_token_id', 'not in', where.selectFrom('operator_tokens').select('id')),
          ]),
        ]),
      )
      .executeTakeFirst();
    return Number(join.numDeletedRows + operator.numDeletedRows + keys.numDeletedRows);
  }
}

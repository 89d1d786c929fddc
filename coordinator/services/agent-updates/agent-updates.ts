import type * as z from 'zod';
import type { agentUpdateRoutes } from '../../../shared/api/agent-updates.ts';
import type { Clock, Timer } from '../../../shared/core/clock.ts';
import { AppError, errorMessage } from '../../../shared/core/errors.ts';
import { newAgentUpdateId } from '../../../shared/core/ids.ts';
import { invariant } from '../../../shared/core/invariant.ts';
import type { Logger } from '../../../shared/core/logger.ts';
import type { Randomness } from '../../../shared/core/randomness.ts';
import type { AgentUpdate, AgentUpdateSettings, AgentVersions } from '../../../shared/model/agent-update.ts';
import { type Caller, callerName } from '../../auth/caller.ts';
import { type AgentPackage, offeredVersions } from '../../domain/agent-packages.ts';
import { nearNamesHint } from '../../domain/near-names.ts';
import type { InsertParts } from '../../engine/new-deployment.ts';
import { createSingleFlight } from '../../engine/single-flight.ts';
import type { Database, Queryable } from '../../storage/database.ts';
import { agentUpdateRow, type StoredSettings, toAgentUpdates } from '../../storage/rows/agent-updates.ts';
import { insertAudit } from '../../storage/rows/audit.ts';
import type { AgentUpdateRow } from '../../storage/tables.ts';
import type { Deployments } from '../deployments.ts';
import type { Revisions } from '../revisions.ts';
import { advanceAgentUpdate } from './advance.ts';
import { describeFleet, judgeFleet } from './agent-fleet.ts';
import type { AgentPackages } from './agent-packages.ts';
import { ensureAgentRevision } from './agent-revision.ts';

type Routes = typeof agentUpdateRoutes;
type StartBody = z.output<Routes['startAgentUpdate']['body']>;
type ListQuery = z.output<Routes['listAgentUpdates']['query']>;

interface Parts {
  database: Database;
  clock: Clock;
  randomness: Randomness;
  logger: Logger;
  insertParts: InsertParts;
  packages: AgentPackages;
  revisions: Revisions;
  deployments: Pick<Deployments, 'stop'>;
  wakeDeployment(id: string): void;
}

/** After a failure to look, ms. */
const AFTER_FAILURE_MS = 5_000;
/** More decisions in a row than an update can have: something goes round in a circle. */
const MAX_DECISIONS = 100;

/**
 * Brings versions of the agent to the fleet. One update at a time: a row that says what is wanted, and for each wave a deployment
 * of its own. Whenever the deployment under way changes, an operator asks, the coordinator starts, or nothing was heard for a
 * while, it is looked at again and the next thing is decided (`rollout/agent-update.ts`).
 */
export function createAgentUpdates(parts: Parts) {
  const { database, clock, logger, packages } = parts;
  /** The deployment whose changes matter. */
  let watched: string | null = null;
  let timer: Timer | null = null;
  let isRunning = false;

  const looking = createSingleFlight(look, (_key, error) => {
    logger.error({ reason: errorMessage(error) }, 'agent update not advanced');
    lookAgainIn(AFTER_FAILURE_MS);
  });
  const lookSoon = () => {
    if (isRunning) looking.request('update');
  };

  function lookAgainIn(delayMs: number): void {
    timer?.cancel();
    timer = isRunning ? clock.setTimer(delayMs, lookSoon) : null;
  }

  async function look(): Promise<void> {
    for (let round = 0; round < MAX_DECISIONS && isRunning; round++) {
      const advanced = await database.transaction((tx) => advanceAgentUpdate(tx, parts, clock.now()));
      watched = advanced?.watched ?? null;
      if (advanced === null) return;
      const { decision, deploymentId } = advanced;
      if (deploymentId !== null) parts.wakeDeployment(deploymentId);
      if (decision.kind === 'wait') return lookAgainIn(decision.lookAgainInMs);
      if (decision.kind === 'stop-deployment') await stopWave(decision.deploymentId);
    }
  }

  async function stopWave(deploymentId: string): Promise<void> {
    try {
      const body = { reason: 'the agent update was stopped', rollback: false };
      await parts.deployments.stop(deploymentId, body, { kind: 'coordinator' });
    } catch (error) {
      // It has ended meanwhile, which the next look sees.
      if (!(error instanceof AppError) || error.code !== 'conflict') throw error;
    }
  }

  async function start(body: StartBody, caller: Caller): Promise<AgentUpdate> {
    const offered = await packages.list();
    const version = chooseVersion(offered, body.version);
    await refuseSecond(database.query);
    const revision = await ensureAgentRevision(parts, version, caller);
    const { waves, budget, healthyWithinSeconds, downgrade } = body;
    const settings: AgentUpdateSettings = { waves, budget, healthyWithinSeconds };
    const packageFiles = offered.filter((one) => one.version === version).map((one) => one.file);
    const row = await database.transaction(async ({ query }) => {
      await refuseSecond(query);
      const totalHosts = await hostsThatItConcerns(query, { version, packages: offered, downgrade });
      const highest = await query
        .selectFrom('agent_updates')
        .select((e) => e.fn.max('number').as('number'))
        .executeTakeFirst();
      const now = clock.now();
      const created: AgentUpdateRow = {
        id: newAgentUpdateId(parts.randomness),
        number: Number(highest?.number ?? 0) + 1,
        version,
        revision_id: revision.id,
        settings: JSON.stringify({ ...settings, packageFiles } satisfies StoredSettings),
        downgrade: downgrade ? 1 : 0,
        total_hosts: totalHosts,
        status: 'InProgress',
        message: null,
        created_by: callerName(caller),
        created_at: now,
        completed_at: null,
        stop_requested_by: null,
      };
      await query.insertInto('agent_updates').values(created).execute();
      const details = { version, digest: revision.digest, hosts: totalHosts, ...settings, downgrade };
      await insertAudit(query, { at: now, caller, action: 'agent-update.start', subject: created.id, details });
      return created;
    });
    lookSoon();
    return asUpdate(database.query, row);
  }

  async function stop(reference: string, caller: Caller): Promise<AgentUpdate> {
    const { row, wave } = await database.transaction(async ({ query }) => {
      const current = await agentUpdateRow(query, reference);
      if (current.status !== 'InProgress')
        throw new AppError('conflict', `${current.id} has ended already: it is ${current.status}`, {
          hint: `See how it ended: drover agents status ${current.id}`,
          details: { reason: 'agent_update_ended', status: current.status },
        });
      const wave = await waveToStop(query, current.id);
      if (current.stop_requested_by !== null) return { row: current, wave };
      const stopped = { ...current, stop_requested_by: callerName(caller) };
      await query
        .updateTable('agent_updates')
        .set({ stop_requested_by: stopped.stop_requested_by })
        .where('id', '=', current.id)
        .execute();
      await insertAudit(query, { at: clock.now(), caller, action: 'agent-update.stop', subject: current.id });
      return { row: stopped, wave };
    });
    // No host starts after the answer, whatever becomes of this process by the next look.
    if (wave !== undefined) await stopWave(wave.id);
    lookSoon();
    return asUpdate(database.query, row);
  }

  return {
    async versions(query: z.output<Routes['getAgentVersions']['query']>): Promise<AgentVersions> {
      const offered = await packages.list();
      const version =
        query.version === undefined ? (offeredVersions(offered)[0] ?? null) : chooseVersion(offered, query.version);
      return describeFleet(database.query, offered, { version, downgrade: query.downgrade ?? false });
    },
    /** @throws AppError `not_found` for a version that is not offered; `conflict` with `details.reason` */
    start,
    /** Idempotent while it is under way. @throws AppError `not_found`, `conflict` when it has ended */
    stop,
    async get(reference: string): Promise<AgentUpdate> {
      return asUpdate(database.query, await agentUpdateRow(database.query, reference));
    },
    async list(query: ListQuery) {
      let select = database.query.selectFrom('agent_updates').selectAll();
      if (query.cursor !== undefined) select = select.where('number', '<', numberIn(query.cursor));
      const rows = await select
        .orderBy('number', 'desc')
        .limit(query.limit + 1)
        .execute();
      const shown = rows.slice(0, query.limit);
      const nextCursor = rows.length > query.limit ? String(shown.at(-1)?.number) : null;
      return { items: await toAgentUpdates(database.query, shown), nextCursor };
    },
    /** Call it after every change of any deployment. */
    deploymentChanged(deploymentId: string): void {
      if (deploymentId === watched) lookSoon();
    },
    /** Goes on with what is under way. */
    begin(): void {
      isRunning = true;
      lookSoon();
    },
    async end(): Promise<void> {
      isRunning = false;
      timer?.cancel();
      await looking.idle();
    },
  };
}
export type AgentUpdates = ReturnType<typeof createAgentUpdates>;

/** @throws AppError `not_found` when it is not offered, or nothing is */
function chooseVersion(packages: readonly AgentPackage[], wanted: string | undefined): string {
  const versions = offeredVersions(packages);
  const [newest] = versions;
  if (newest === undefined)
    throw new AppError('not_found', 'this coordinator offers no packages of the agent', {
      hint: 'They come with the package drover-coordinator; packagesDirectory in its configuration names where they are.',
      details: { noun: 'agent-version' },
    });
  if (wanted === undefined) return newest;
  if (versions.includes(wanted)) return wanted;
  throw new AppError('not_found', `this coordinator offers no drover-agent ${wanted}`, {
    hint: nearNamesHint(wanted, versions, `Offered: ${versions.join(', ')}.`),
    details: { noun: 'agent-version' },
  });
}

async function refuseSecond(query: Queryable): Promise<void> {
  const active = await query
    .selectFrom('agent_updates')
    .select(['id', 'version'])
    .where('status', '=', 'InProgress')
    .executeTakeFirst();
  if (active === undefined) return;
  throw new AppError('conflict', `${active.id} is bringing ${active.version} to the fleet`, {
    hint: `See it: drover agents status ${active.id}. Stop it: drover agents stop ${active.id}`,
    details: { reason: 'active_agent_update', agentUpdateId: active.id },
  });
}

/** The deployment of the wave that is under way, unless it is stopping already. */
async function waveToStop(query: Queryable, updateId: string): Promise<{ id: string } | undefined> {
  return query
    .selectFrom('agent_update_waves as w')
    .innerJoin('deployments as d', 'd.id', 'w.deployment_id')
    .select('d.id')
    .where('w.update_id', '=', updateId)
    .where('d.is_active', '=', 1)
    .where('d.stop_requested_at', 'is', null)
    .executeTakeFirst();
}

/** @throws AppError `conflict` when there is none that could be updated now */
async function hostsThatItConcerns(query: Queryable, wanted: Parameters<typeof judgeFleet>[1]): Promise<number> {
  const outdated = (await judgeFleet(query, wanted)).filter((host) => host.judgement === 'outdated');
  if (outdated.some((host) => host.presence !== 'Offline')) return outdated.length;
  throw new AppError(
    'conflict',
    outdated.length === 0
      ? `no host has an older agent than ${wanted.version} that could be updated`
      : `all ${outdated.length} hosts with an older agent than ${wanted.version} are away`,
    {
      hint: 'Which host is left out, and why: drover agents versions',
      details: { reason: 'nothing_to_do', version: wanted.version },
    },
  );
}

async function asUpdate(query: Queryable, row: AgentUpdateRow): Promise<AgentUpdate> {
  const [update] = await toAgentUpdates(query, [row]);
  invariant(update !== undefined, 'one row in, one update out');
  return update;
}

function numberIn(cursor: string): number {
  if (/^\d{1,15}$/.test(cursor)) return Number(cursor);
  throw new AppError('invalid', 'cursor: not one that this list gave');
}

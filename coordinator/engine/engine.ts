import type { Clock, Timer } from '../../shared/core/clock.ts';
import { errorMessage, isAppError } from '../../shared/core/errors.ts';
import type { DeploymentId } from '../../shared/core/ids.ts';
import { InvariantViolation } from '../../shared/core/invariant.ts';
import type { Logger } from '../../shared/core/logger.ts';
import type { Randomness } from '../../shared/core/randomness.ts';
import type { CoordinatorMessage } from '../../shared/protocol/messages.ts';
import type { Decided } from '../rollout/decision.ts';
import { decide } from '../rollout/rollout.ts';
import type { RolloutView } from '../rollout/view.ts';
import type { ChangeSequence } from '../storage/change-sequence.ts';
import type { Database } from '../storage/database.ts';
import { loadAssignment } from './assignment.ts';
import { commitDecisions, type Effects } from './commit.ts';
import { convergeGroup } from './converge-group.ts';
import { createSingleFlight } from './single-flight.ts';
import { createStandstill } from './standstill.ts';
import type { TriggerOutbox } from './trigger-outbox.ts';
import { loadRolloutView } from './view-loader.ts';

export interface EngineSettings {
  acceptTimeoutMs: number;
  hostLostAfterMs: number;
  deploymentTimeoutMs: number;
  /** How long a connection may be silent. */
  silenceLimitMs: number;
}

export interface EngineParts {
  database: Database;
  changes: ChangeSequence;
  clock: Clock;
  randomness: Randomness;
  logger: Logger;
  settings: EngineSettings;
  triggers: TriggerOutbox;
  /** False when the host is not connected or its queue is full: it gets the assignment when it says hello, or by the tick. */
  send(hostId: string, message: CoordinatorMessage): boolean;
  /** A watcher should look again. */
  changed(deploymentId: string): void;
  /** A broken invariant: the process must end and recover from what is stored. */
  fatal(error: InvariantViolation): void;
  /** Looks on at every decision, before it is committed: for recording them. */
  decided?: ((view: RolloutView, now: number, decided: Decided) => void) | undefined;
}

export interface Engine {
  /** Takes up every deployment that has not ended. */
  start(): Promise<void>;
  /** Look again at a deployment: cheap, coalesced, and harmless when there is nothing to do. */
  wakeDeployment(deploymentId: string): void;
  /** Look again at what a group owes to hosts that entered it. */
  wakeGroup(groupId: string): void;
  /** Tells the hosts in progress of a deployment to leave what they have not begun; those that do not answer are told again by the tick. */
  callBack(deployment: { id: string; groupId: string }): Promise<void>;
  /** Resolves when no decision is under way. */
  idle(): Promise<void>;
  stop(): Promise<void>;
}

/** A wake that got lost, or an assignment that did not reach its host, costs at most this long. */
const TICK_MS = 10_000;
/** Later than that a tick comes only when nothing could run, or when the clock was set forward. */
const STANDSTILL_MS = 2 * TICK_MS;
/** After a failure of the database. */
const RETRY_MS = 1_000;
/** Hosts that one tick tells again, at most. */
const RESEND_LIMIT = 1_000;

/**
 * The shell around the rollout: load the view, decide, commit the decisions in one transaction, then perform the effects,
 * until there is nothing more to decide. It keeps no state of a deployment or group but one timer; after a crash the same loop runs
 * again from what is stored, and every effect may be repeated.
 */
export function createEngine(parts: EngineParts): Engine {
  const { database, clock, logger, settings } = parts;
  const insertParts = {
    randomness: parts.randomness,
    changes: parts.changes,
    deploymentTimeoutMs: settings.deploymentTimeoutMs,
    triggers: parts.triggers,
  };
  // Made once: they are asked at every tick.
  const activeDeployments = database.query.selectFrom('deployments').select('id').where('is_active', '=', 1).compile();
  const owingGroups = database.query
    .selectFrom('group_hosts')
    .select('group_id')
    .distinct()
    .where('converge', 'in', ['entering', 'behind'])
    // And those that bring hosts in, which may have left meanwhile.
    .union(
      database.query
        .selectFrom('deployments')
        .select('group_id')
        .where('is_active', '=', 1)
        .where('creator', '=', 'autoscaling'),
    )
    .compile();
  const standstill = createStandstill({
    database,
    changes: parts.changes,
    clock,
    logger,
    toleratedMs: STANDSTILL_MS,
    hostLostAfterMs: settings.hostLostAfterMs,
    silenceLimitMs: settings.silenceLimitMs,
  });
  const timers = new Map<string, Timer>();
  let tick: Timer | null = null;
  let isStopped = false;

  const deployments = createSingleFlight(runDeployment, (id, error) => onError('deployment', id, error));
  const groups = createSingleFlight(runGroup, (id, error) => onError('group', id, error));

  async function runDeployment(id: string): Promise<void> {
    for (;;) {
      if (isStopped) return;
      const madeUp = standstill.makeUp();
      if (madeUp !== null) await madeUp;
      const round = await database.transaction(async (tx) => {
        const now = clock.now();
        const loaded = await loadRolloutView(tx, id as DeploymentId, now, {
          ...settings,
          ...standstill.present(),
        });
        if (loaded === null) return null;
        const decided = decide(loaded.view, now);
        parts.decided?.(loaded.view, now, decided);
        const { decisions, wakeAt } = decided;
        if (decisions.length === 0) return { effects: null, wakeAt };
        return {
          effects: await commitDecisions(tx, insertParts, loaded.row, decisions, now),
          groupId: loaded.row.group_id,
        };
      });
      setTimer(id, null);
      if (round === null) return;
      if (round.effects === null) return setTimer(id, round.wakeAt);
      await perform(id, round.groupId, round.effects);
    }
  }

  async function perform(id: string, groupId: string, effects: Effects): Promise<void> {
    parts.changed(id);
    if (effects.assigned.length > 0) {
      const assignment = await loadAssignment(database.query, id);
      if (assignment !== null)
        for (const hostId of effects.assigned) parts.send(hostId, { kind: 'assignment', assignment });
    }
    if (effects.cancelsInProgress) await engine.callBack({ id, groupId });
    for (const hostId of effects.givenUp)
      parts.send(hostId, {
        kind: 'cancel',
        deploymentId: id,
        deploymentGroupId: groupId,
        reason: 'the coordinator has given it up',
      });
    for (const other of effects.wakeDeployments) engine.wakeDeployment(other);
    if (effects.wakesGroup) engine.wakeGroup(groupId);
  }

  async function hostsInProgress(id: string): Promise<string[]> {
    const rows = await database.query
      .selectFrom('targets')
      .select('host_id')
      .where('deployment_id', '=', id)
      .where('status', '=', 'InProgress')
      .execute();
    return rows.map((row) => row.host_id);
  }

  function callBackHost(hostId: string, { id, groupId }: { id: string; groupId: string }): void {
    parts.send(hostId, {
      kind: 'cancel',
      deploymentId: id,
      deploymentGroupId: groupId,
      reason: 'the deployment was stopped',
    });
  }

  async function runGroup(groupId: string): Promise<void> {
    if (isStopped) return;
    const created = await convergeGroup(database, insertParts, groupId, clock.now());
    for (const id of created) engine.wakeDeployment(id);
  }

  /** One timer for each deployment or group: the next one takes its place. */
  function setTimer(id: string, wakeAt: number | null, kind: 'deployment' | 'group' = 'deployment'): void {
    timers.get(id)?.cancel();
    timers.delete(id);
    if (wakeAt === null || isStopped) return;
    const wake = () => {
      timers.delete(id);
      if (kind === 'group') engine.wakeGroup(id);
      else engine.wakeDeployment(id);
    };
    timers.set(id, clock.setTimer(Math.max(0, wakeAt - clock.now()), wake));
  }

  function onError(kind: 'deployment' | 'group', id: string, error: unknown): void {
    if (error instanceof InvariantViolation) {
      parts.fatal(error);
      return;
    }
    if (isStopped) return;
    if (!isAppError(error, 'conflict')) logger.error({ kind, id, error: errorMessage(error) }, 'decision failed');
    setTimer(id, clock.now() + RETRY_MS, kind);
  }

  /** Level, not edge: whatever wake or frame was lost, the next tick looks at everything that is under way. */
  async function onTick(): Promise<void> {
    try {
      const madeUp = standstill.makeUp();
      if (madeUp !== null) await madeUp;
      await wakeAll();
      await tellUnaccepted();
    } catch (error) {
      logger.error({ error: errorMessage(error) }, 'tick failed');
    }
    if (!isStopped) tick = clock.setTimer(TICK_MS, () => void onTick());
  }

  async function wakeAll(): Promise<void> {
    const active = await database.query.executeQuery(activeDeployments);
    for (const row of active.rows) engine.wakeDeployment(row.id);
    const owing = await database.query.executeQuery(owingGroups);
    for (const row of owing.rows) engine.wakeGroup(row.group_id);
  }

  /** The assignment once more, or, after a stop, the word to leave it. */
  async function tellUnaccepted(): Promise<void> {
    const now = clock.now();
    const rows = await database.query
      .selectFrom('targets as t')
      .innerJoin('hosts as h', 'h.id', 't.host_id')
      .innerJoin('deployments as d', 'd.id', 't.deployment_id')
      .select(['t.deployment_id', 't.host_id', 'd.group_id', 'd.stop_requested_at'])
      .where('t.status', '=', 'InProgress')
      .where('t.accepted_at', 'is', null)
      // An instant to come is one from before the clock was set back.
      .where((e) => e.or([e('t.started_at', '<', now - TICK_MS), e('t.started_at', '>', now)]))
      .where('d.is_active', '=', 1)
      .where('h.presence', '=', 'Online')
      .limit(RESEND_LIMIT)
      .execute();
    for (const row of rows) {
      if (row.stop_requested_at !== null) {
        callBackHost(row.host_id, { id: row.deployment_id, groupId: row.group_id });
        continue;
      }
      const assignment = await loadAssignment(database.query, row.deployment_id);
      if (assignment !== null) parts.send(row.host_id, { kind: 'assignment', assignment });
    }
  }

  const engine: Engine = {
    async start() {
      standstill.started();
      await wakeAll();
      tick = clock.setTimer(TICK_MS, () => void onTick());
    },
    wakeDeployment(id) {
      if (!isStopped) deployments.request(id);
    },
    wakeGroup(id) {
      if (!isStopped) groups.request(id);
    },
    async callBack(deployment) {
      for (const hostId of await hostsInProgress(deployment.id)) callBackHost(hostId, deployment);
    },
    async idle() {
      await Promise.all([deployments.idle(), groups.idle()]);
    },
    async stop() {
      isStopped = true;
      tick?.cancel();
      for (const timer of timers.values()) timer.cancel();
      await engine.idle();
    },
  };
  return engine;
}

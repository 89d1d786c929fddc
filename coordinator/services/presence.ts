import type { Clock, Timer } from '../../shared/core/clock.ts';
import { errorMessage } from '../../shared/core/errors.ts';
import type { Logger } from '../../shared/core/logger.ts';
import type { CoordinatorMessage, Hello } from '../../shared/protocol/messages.ts';
import { loadAssignment } from '../engine/assignment.ts';
import { LATE_END_WAIT_MS } from '../engine/commit.ts';
import type { Database, DatabaseTransaction } from '../storage/database.ts';
import { type Coalesced, createCoalesced } from './coalesced.ts';

export interface PresenceSettings {
  /** Silence after which a host counts as offline, ms. */
  offlineAfterMs: number;
  /** How long a host may stay away inside a deployment, ms. */
  hostLostAfterMs: number;
}

export interface PresenceParts {
  database: Database;
  clock: Clock;
  logger: Logger;
  settings: PresenceSettings;
  send(hostId: string, message: CoordinatorMessage): boolean;
  wakeDeployment(deploymentId: string): void;
  wakeGroup(groupId: string): void;
}

/** What matters here of a host that has just been let in. */
export type Arrival = Pick<Hello, 'agentVersion' | 'at' | 'facts' | 'deployments'>;

export interface Presence {
  /** The coordinator has just started: nobody is connected yet, and that is nobody's fault but its own. */
  start(): Promise<void>;
  /** After the welcome: marks the host Online and sends it what it lacks. */
  connected(hostId: string, hello: Arrival): void;
  disconnected(hostId: string): void;
  /** Resolves when what has been said so far is written. */
  settled(): Promise<void>;
  stop(): Promise<void>;
}

type Change = { kind: 'connected'; hello: Arrival; at: number } | { kind: 'disconnected'; at: number };

/** A host that comes back in the middle of a deployment has this long to report before its deadlines count again. */
const RETURN_GRACE_MS = 60_000;
/** Ten thousand hosts that come back at once are some dozens of transactions. */
const WINDOW_MS = 4;

/**
 * Who is here. A host is Online while its channel is open, Reconnecting for a while after it closed, then Offline; the
 * states and their instants are rows, so a decision about them is the same after a restart. A coordinator that was away
 * itself gives every host that time again.
 */
export function createPresence(parts: PresenceParts): Presence {
  const { database, clock, logger, settings } = parts;
  let sweepTimer: Timer | null = null;
  let isStopped = false;
  const changes: Coalesced<Change> = createCoalesced({
    clock,
    windowMs: WINDOW_MS,
    handle: write,
    onError: (error) => logger.error({ error: errorMessage(error) }, 'presence not written'),
  });

  async function write(values: ReadonlyMap<string, Change>): Promise<void> {
    const sends: { hostId: string; message: CoordinatorMessage }[] = [];
    const wakes = new Set<string>();
    const groups = new Set<string>();
    await database.transaction(async (tx) => {
      for (const [hostId, change] of values) {
        if (change.kind === 'connected') await writeConnected(tx, hostId, change, sends);
        else await writeDisconnected(tx, hostId, change.at);
        for (const row of await tx.selectRaw<{ id: string }>(
          `SELECT DISTINCT deployment_id AS id FROM targets WHERE host_id = ? AND status IN ('Pending', 'InProgress')`,
          [hostId],
        ))
          wakes.add(row.id);
        for (const row of await tx.selectRaw<{ id: string }>(
          'SELECT group_id AS id FROM group_hosts WHERE host_id = ? AND converge IS NOT NULL',
          [hostId],
        ))
          groups.add(row.id);
      }
    });
    for (const { hostId, message } of sends) parts.send(hostId, message);
    for (const id of wakes) parts.wakeDeployment(id);
    for (const id of groups) parts.wakeGroup(id);
    armSweep();
  }

  async function writeConnected(
    tx: DatabaseTransaction,
    hostId: string,
    { hello, at }: Extract<Change, { kind: 'connected' }>,
    sends: { hostId: string; message: CoordinatorMessage }[],
  ): Promise<void> {
    await tx.executeMany(
      `UPDATE hosts SET presence = 'Online', presence_since = CASE WHEN presence = 'Online' THEN presence_since ELSE ? END,
         last_contact_at = ?, agent_version = ?, clock_offset_ms = ?, facts = ? WHERE id = ?`,
      [[at, at, hello.agentVersion, hello.at - at, JSON.stringify(hello.facts), hostId]],
    );
    await tx.executeMany(
      // Its time for progress may have passed while it was away: it gets a moment to tell what it did.
      `UPDATE targets SET lost_deadline_at = NULL, deadline_at = CASE WHEN deadline_at > ? THEN deadline_at ELSE ? END
       WHERE host_id = ? AND status = 'InProgress' AND lost_deadline_at IS NOT NULL`,
      [[at + RETURN_GRACE_MS, at + RETURN_GRACE_MS, hostId]],
    );
    const assigned = await tx.selectRaw<{ id: string; groupId: string; stopping: number }>(
      `SELECT t.deployment_id AS id, d.group_id AS groupId,
              CASE WHEN d.stop_requested_at IS NOT NULL OR d.ending_as = 'Stopped' THEN 1 ELSE 0 END AS stopping
       FROM targets t JOIN deployments d ON d.id = t.deployment_id WHERE t.host_id = ? AND t.status = 'InProgress'`,
      [hostId],
    );
    const held = new Set(hello.deployments);
    // Given up here and not told yet: what it still does may take its time, what it has done is told in a moment.
    const untold = await tx.selectRaw<{ id: number; deploymentId: string; groupId: string }>(
      `SELECT t.id, t.deployment_id AS deploymentId, d.group_id AS groupId
       FROM targets t JOIN deployments d ON d.id = t.deployment_id WHERE t.host_id = ? AND t.late_end_until IS NOT NULL`,
      [hostId],
    );
    await tx.executeMany(
      'UPDATE targets SET late_end_until = ? WHERE id = ?',
      untold.map((row) => [at + (held.has(row.deploymentId) ? LATE_END_WAIT_MS : RETURN_GRACE_MS), row.id]),
    );
    for (const row of assigned) {
      // Stopped before the host was told of it: it must not start now (invariant I7).
      if (row.stopping === 1) sends.push({ hostId, message: cancelOf(row.id, row.groupId) });
      else if (!held.has(row.id)) {
        const assignment = await loadAssignment(tx.query, row.id);
        if (assignment !== null) sends.push({ hostId, message: { kind: 'assignment', assignment } });
      }
      held.delete(row.id);
    }
    // The assignment, or the word to leave it, may never have arrived: the host tells how it ended, or that it never began.
    for (const { deploymentId, groupId } of untold)
      if (!held.has(deploymentId)) sends.push({ hostId, message: cancelOf(deploymentId, groupId) });
    // What the host still holds has been given up here: it leaves what it has not begun.
    for (const id of held) sends.push({ hostId, message: cancelOf(id) });
  }

  async function writeDisconnected(tx: DatabaseTransaction, hostId: string, at: number): Promise<void> {
    await tx.executeMany(
      `UPDATE hosts SET presence = 'Reconnecting', presence_since = ?, last_contact_at = ?
       WHERE id = ? AND presence = 'Online'`,
      [[at, at, hostId]],
    );
    await tx.executeMany(
      `UPDATE targets SET lost_deadline_at = ? WHERE host_id = ? AND status = 'InProgress' AND lost_deadline_at IS NULL`,
      [[at + settings.hostLostAfterMs, hostId]],
    );
  }

  function armSweep(): void {
    if (isStopped || sweepTimer !== null) return;
    sweepTimer = clock.setTimer(Math.max(50, Math.floor(settings.offlineAfterMs / 4)), () => {
      sweepTimer = null;
      void sweep().catch((error) => {
        logger.error({ error: errorMessage(error) }, 'presence sweep failed');
        armSweep();
      });
    });
  }

  /** Reconnecting becomes Offline; `presence_since` stays the instant of the last contact. */
  async function sweep(): Promise<void> {
    const { remaining, wakes } = await database.transaction(async (tx) => {
      const now = clock.now();
      // After a clock was set back, absence counts from here.
      await tx.executeMany(
        `UPDATE hosts SET presence_since = ? WHERE presence <> 'Online' AND presence = 'Reconnecting' AND presence_since > ?`,
        [[now, now]],
      );
      const lostAt = now + settings.hostLostAfterMs;
      await tx.executeMany(
        `UPDATE targets SET lost_deadline_at = ? WHERE status = 'InProgress' AND lost_deadline_at IS NOT NULL AND lost_deadline_at > ?`,
        [[lostAt, lostAt]],
      );
      // That they are not Online is said although it follows: the index on hosts holds only those.
      const gone = await tx.query
        .updateTable('hosts')
        .set({ presence: 'Offline' })
        .where('presence', '<>', 'Online')
        .where('presence', '=', 'Reconnecting')
        .where('presence_since', '<=', now - settings.offlineAfterMs)
        .returning('id')
        .execute();
      const left = await tx.query
        .selectFrom('hosts')
        .select('id')
        .where('presence', '<>', 'Online')
        .where('presence', '=', 'Reconnecting')
        .limit(1)
        .executeTakeFirst();
      // Their absence counts in every deployment that has them, whatever state their part is in.
      const active =
        gone.length === 0
          ? []
          : await tx.query.selectFrom('deployments').select('id').where('is_active', '=', 1).execute();
      return { remaining: left !== undefined, wakes: active };
    });
    for (const row of wakes) parts.wakeDeployment(row.id);
    if (remaining) armSweep();
  }

  return {
    async start() {
      await database.transaction(async (tx) => {
        const now = clock.now();
        await tx.executeMany(
          `UPDATE hosts SET presence = 'Reconnecting', presence_since = ? WHERE presence IN ('Online', 'Reconnecting')`,
          [[now]],
        );
        await tx.executeMany(`UPDATE targets SET lost_deadline_at = ? WHERE status = 'InProgress'`, [
          [now + settings.hostLostAfterMs],
        ]);
      });
      armSweep();
    },
    connected: (hostId, hello) => changes.add(hostId, { kind: 'connected', hello, at: clock.now() }),
    disconnected: (hostId) => changes.add(hostId, { kind: 'disconnected', at: clock.now() }),
    settled: () => changes.flush(),
    async stop() {
      isStopped = true;
      sweepTimer?.cancel();
      await changes.close();
    },
  };
}

function cancelOf(deploymentId: string, deploymentGroupId?: string): CoordinatorMessage {
  return { kind: 'cancel', deploymentId, deploymentGroupId, reason: 'the deployment has ended or was stopped' };
}

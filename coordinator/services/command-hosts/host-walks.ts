import type { Clock } from '../../../shared/core/clock.ts';
import type { Diagnostics } from '../../../shared/model/lifecycle-event.ts';
import type { Assignment, Report, RunningEvent } from '../../../shared/protocol/messages.ts';
import { endEvent, leaveWalk, nextEvent, type UnnumberedReport } from '../../domain/command-walk.ts';
import type { Database } from '../../storage/database.ts';
import type { Reports } from '../reports.ts';
import type { CommandSession, PresentCommand } from './command-session.ts';
import { loadWalk, type Permission, permissionFor } from './progress.ts';

export interface HostWalksParts {
  database: Database;
  clock: Pick<Clock, 'now'>;
  settings: { acceptTimeoutMs: number; eventTimeoutMs: number };
  reports: Pick<Reports, 'receive'>;
}
export type HostWalks = ReturnType<typeof createHostWalks>;

/** A host's way through its assignments: which it is in, and what is reported of it, as Drover's own agent would. */
export function createHostWalks({ database, clock, settings, reports }: HostWalksParts) {
  function report(session: CommandSession, items: UnnumberedReport[], running: RunningEvent[] = []): Promise<void> {
    const numbered = items.map((item) => ({ ...item, sequence: ++session.sequence }) as Report);
    reports.receive(session.hostId, numbered, running);
    return session.committed();
  }

  function runningEvent(deploymentId: string, event: string, timeoutMs: number): RunningEvent {
    return { deploymentId, event, startedAt: clock.now(), timeoutMs };
  }

  /** The host may have this deployment now. Its part in an earlier one is over: the database lets it run one at a time. */
  async function take(session: CommandSession, assignment: Assignment): Promise<void> {
    const { walk } = session;
    if (walk?.assignment.deploymentId === assignment.deploymentId) return;
    if (walk !== null && hasCommandUnderWay(session)) {
      session.next = assignment;
      return;
    }
    if (walk !== null) await leave(session, 'The deployment was given up before the host had gone through it.');
    session.walk = await loadWalk(database.query, session.hostId, assignment.deploymentId);
    session.hasAccepted = session.walk !== null && session.walk.ended.size > 0;
    session.poll?.wake();
  }

  /** The walk goes no further. Whatever came meanwhile has its turn. */
  async function leave(session: CommandSession, message: string): Promise<void> {
    const { walk } = session;
    if (walk !== null) {
      session.walk = null;
      session.command = null;
      await report(session, leaveWalk(walk, clock.now(), message));
    }
    await takeNext(session);
  }

  async function takeNext(session: CommandSession): Promise<void> {
    const { next } = session;
    session.next = null;
    if (next !== null) await take(session, next);
  }

  async function finishEvent(
    session: CommandSession,
    outcome: { status: 'Succeeded' | 'Failed'; diagnostics: Diagnostics | null },
  ): Promise<void> {
    const { walk, command } = session;
    if (walk === null || command === null) return;
    const { hostId } = session;
    const { deploymentId } = walk.assignment;
    const isOver = (await permissionFor(database.query, hostId, deploymentId, true)) === 'over';
    const at = clock.now();
    const startedAt = command.acknowledgedAt ?? command.offeredAt;
    const ended = endEvent(walk, { event: command.event, ...outcome, startedAt, at });
    const isWhole = nextEvent(ended.walk) === null;
    if (isOver && !isWhole)
      ended.reports.push(
        ...leaveWalk(ended.walk, at, 'The deployment was given up before the host had gone through it.'),
      );
    const next = isOver ? null : nextEvent(ended.walk);
    // Until the host has taken it, the next one has as long as a whole assignment has to be accepted.
    const running = next === null ? [] : [runningEvent(deploymentId, next, settings.acceptTimeoutMs)];
    await report(session, ended.reports, running);
    session.command = null;
    session.lastEnded = { id: command.id, outcome: outcome.status };
    session.walk = isOver || isWhole ? null : ended.walk;
    if (session.walk === null) await takeNext(session);
    session.poll?.wake();
  }

  function accept(session: CommandSession, deploymentId: string, { event, acknowledgedAt }: PresentCommand): void {
    const items: UnnumberedReport[] = session.hasAccepted ? [] : [{ kind: 'accepted', deploymentId, at: clock.now() }];
    session.hasAccepted = true;
    const remainingMs = Math.max(1, (acknowledgedAt ?? clock.now()) + settings.eventTimeoutMs - clock.now());
    // The acknowledgement itself is committed: if this is lost, the event's own report says as much.
    void report(session, items, [runningEvent(deploymentId, event, remainingMs)]).catch(ignoreGone);
  }

  async function cancel(session: CommandSession, deploymentId: string): Promise<void> {
    if (session.next?.deploymentId === deploymentId) session.next = null;
    const isPresent = session.walk?.assignment.deploymentId === deploymentId;
    if (isPresent && (session.hasAccepted || hasBegun(session))) return;
    if (isPresent) return leave(session, leaveMessage('stopped'));
    // It was never told of it: its part ends before it began.
    if ((await permissionFor(database.query, session.hostId, deploymentId, false)) !== 'stopped') return;
    const walk = await loadWalk(database.query, session.hostId, deploymentId);
    if (walk !== null) await report(session, leaveWalk(walk, clock.now(), leaveMessage('stopped')));
  }

  return { take, leave, finishEvent, accept, cancel };
}

function hasCommandUnderWay({ command }: CommandSession): boolean {
  return command !== null && command.acknowledgedAt !== null;
}

function hasBegun(session: CommandSession): boolean {
  return hasCommandUnderWay(session) || (session.walk !== null && session.walk.ended.size > 0);
}

/** Why a host does not go on with a deployment. */
export function leaveMessage(permission: Exclude<Permission, 'go'>): string {
  return permission === 'stopped'
    ? 'The deployment was stopped before the host had begun.'
    : 'The deployment was given up before the host had gone through it.';
}

/** The host counts as gone meanwhile: when it is back, the database says where it is. */
function ignoreGone(): void {}

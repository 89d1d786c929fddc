import type { Clock } from '../../../shared/core/clock.ts';
import type { Diagnostics } from '../../../shared/model/lifecycle-event.ts';
import type { Assignment, Report, RunningEvent } from '../../../shared/protocol/messages.ts';
import { endEvent, leaveWalk, nextEvent, type UnnumberedReport } from '../../domain/command-walk.ts';
import type { Database, DatabaseTransaction } from '../../storage/database.ts';
import type { Reports } from '../reports.ts';
import type { CommandSession, PresentCommand } from './command-session.ts';
import { isUntold, loadWalk, type Permission, permissionFor } from './progress.ts';

export interface HostWalksParts {
  database: Database;
  clock: Pick<Clock, 'now'>;
  settings: { acceptTimeoutMs: number; eventTimeoutMs: number };
  reports: Pick<Reports, 'receive' | 'receiveIf'>;
}
export type HostWalks = ReturnType<typeof createHostWalks>;

/** A host's way through its assignments: which it is in, and what is reported of it, as Drover's own agent would. */
export function createHostWalks({ database, clock, settings, reports }: HostWalksParts) {
  function report(session: CommandSession, items: UnnumberedReport[], running: RunningEvent[] = []): Promise<void> {
    reports.receive(session.hostId, numbered(session, items), running, true);
    return session.committed();
  }

  function numbered(session: CommandSession, items: readonly UnnumberedReport[]): Report[] {
    return items.map((item) => ({ ...item, sequence: ++session.sequence }) as Report);
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

  /**
   * The host begins with an event, as its acknowledgement says: one commit for that and for what `admit` writes.
   * @returns false when `admit` refused, and nothing has happened
   */
  async function begin(
    session: CommandSession,
    deploymentId: string,
    event: string,
    admit: (tx: DatabaseTransaction) => Promise<boolean>,
  ): Promise<boolean> {
    const { hostId, sequence } = session;
    const items = numbered(session, acceptance(session, deploymentId));
    const running = [runningEvent(deploymentId, event, settings.eventTimeoutMs)];
    const isAdmitted = await reports.receiveIf(hostId, items, running, admit);
    if (isAdmitted) session.hasAccepted = true;
    // The host's requests are dealt with one by one: nobody has taken the next number meanwhile.
    else session.sequence = sequence;
    return isAdmitted;
  }

  /** The same once more for what was acknowledged on an earlier connection. */
  function beginAgain(session: CommandSession, deploymentId: string, { event, acknowledgedAt }: PresentCommand): void {
    const items = acceptance(session, deploymentId);
    session.hasAccepted = true;
    const remainingMs = Math.max(1, (acknowledgedAt ?? clock.now()) + settings.eventTimeoutMs - clock.now());
    // If this is lost, the event's own report says as much.
    void report(session, items, [runningEvent(deploymentId, event, remainingMs)]).catch(ignoreGone);
  }

  /** The first event that the host begins with says, too, that it has accepted the assignment. */
  function acceptance({ hasAccepted }: CommandSession, deploymentId: string): UnnumberedReport[] {
    return hasAccepted ? [] : [{ kind: 'accepted', deploymentId, at: clock.now() }];
  }

  async function cancel(session: CommandSession, deploymentId: string): Promise<void> {
    if (session.next?.deploymentId === deploymentId) session.next = null;
    const isPresent = session.walk?.assignment.deploymentId === deploymentId;
    if (isPresent && (session.hasAccepted || hasBegun(session))) return;
    if (isPresent) return leave(session, leaveMessage('stopped'));
    // It was never told of it, or was lost between two commands: it tells where its part has ended, as Drover's own agent does.
    const permission = await permissionFor(database.query, session.hostId, deploymentId, false);
    if (permission === 'go') return;
    if (permission === 'over' && !(await isUntold(database.query, session.hostId, deploymentId))) return;
    const walk = await loadWalk(database.query, session.hostId, deploymentId);
    if (walk !== null) await report(session, leaveWalk(walk, clock.now(), leaveMessage(permission)));
  }

  return { take, leave, finishEvent, begin, beginAgain, cancel };
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

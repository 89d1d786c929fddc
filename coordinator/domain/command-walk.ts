import { type Diagnostics, IGNORABLE_EVENTS } from '../../shared/model/lifecycle-event.ts';
import type { Assignment, Report } from '../../shared/protocol/messages.ts';

/**
 * One assignment on a host whose agent knows only single commands: which lifecycle event is next, and what Drover's own
 * agent would report of what happened. It decides nothing about the rollout.
 */
export interface CommandWalk {
  readonly assignment: Assignment;
  /** What the host had of this group before; null when none or unknown. */
  readonly previousRevisionId: string | null;
  /** The events that have ended, committed. */
  readonly ended: ReadonlyMap<string, EventOutcome>;
}
export type EventOutcome = 'Succeeded' | 'Failed' | 'Skipped';

type WithoutSequence<R> = R extends unknown ? Omit<R, 'sequence'> : never;
/** A report that has not got its number yet. */
export type UnnumberedReport = WithoutSequence<Report>;

export interface EndedEvent {
  event: string;
  status: 'Succeeded' | 'Failed';
  startedAt: number;
  at: number;
  diagnostics: Diagnostics | null;
}

/** The event whose command comes next. Null once the walk is over. */
export function nextEvent(walk: CommandWalk): string | null {
  if ([...walk.ended].some(([event, outcome]) => outcome === 'Failed' && !mayFail(walk.assignment, event))) return null;
  return walk.assignment.lifecycleEvents.find((event) => !walk.ended.has(event)) ?? null;
}

/** What an event's end adds, and the whole deployment's end on this host where it brings that about. */
export function endEvent(walk: CommandWalk, ended: EndedEvent): { walk: CommandWalk; reports: UnnumberedReport[] } {
  const { event, status, startedAt, at, diagnostics } = ended;
  const { deploymentId, lifecycleEvents } = walk.assignment;
  const after: CommandWalk = { ...walk, ended: new Map(walk.ended).set(event, status) };
  const reports: UnnumberedReport[] = [
    {
      kind: 'event',
      deploymentId,
      event,
      status,
      startedAt,
      durationMs: Math.max(0, at - startedAt),
      ...(diagnostics === null ? {} : { diagnostics }),
    },
  ];
  if (status === 'Failed' && !mayFail(walk.assignment, event))
    return endWith(after, reports, { status, at, message: `${event}: ${diagnostics?.message ?? 'failed'}` });
  if (lifecycleEvents.every((name) => after.ended.has(name)))
    return endWith(after, reports, { status: 'Succeeded', at, message: null });
  return { walk: after, reports };
}

/** The end of a walk that goes no further: Skipped when the host was not touched by it. */
export function leaveWalk(walk: CommandWalk, at: number, message: string): UnnumberedReport[] {
  const status = walk.ended.size === 0 ? 'Skipped' : 'Failed';
  return endWith(walk, [], { status, at, message }).reports;
}

function endWith(
  walk: CommandWalk,
  reports: UnnumberedReport[],
  end: { status: EventOutcome; at: number; message: string | null },
): { walk: CommandWalk; reports: UnnumberedReport[] } {
  const { deploymentId, lifecycleEvents } = walk.assignment;
  const ended = new Map(walk.ended);
  for (const event of lifecycleEvents) {
    if (ended.has(event)) continue;
    ended.set(event, 'Skipped');
    reports.push({ kind: 'event', deploymentId, event, status: 'Skipped', startedAt: end.at, durationMs: 0 });
  }
  reports.push({
    kind: 'finished',
    deploymentId,
    status: end.status,
    at: end.at,
    installedRevisionId: installedRevision(walk),
    ...(end.message === null ? {} : { message: end.message.slice(0, MAX_MESSAGE_CHARACTERS) }),
  });
  return { walk: { ...walk, ended }, reports };
}

const MAX_MESSAGE_CHARACTERS = 4_096;

/** An install that failed may have removed the files of the one before. */
function installedRevision(walk: CommandWalk): string | null {
  const install = walk.ended.get('Install');
  if (install === 'Succeeded') return walk.assignment.revision.id;
  return install === 'Failed' ? null : walk.previousRevisionId;
}

function mayFail(assignment: Assignment, event: string): boolean {
  return assignment.ignoreApplicationStopFailures && (IGNORABLE_EVENTS as readonly string[]).includes(event);
}

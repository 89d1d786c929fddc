import type { AgentUpdate, AgentUpdateWave, AgentVersions, LeftOutReason } from '../../../shared/model/agent-update.ts';
import type { Style } from './style.ts';
import { paintOfStatus } from './style.ts';
import { facts, table } from './table.ts';
import { plainText } from './text.ts';
import { dateTime, plural, utcTimeOfDay } from './units.ts';

const REASONS: Readonly<Record<LeftOutReason, string>> = {
  'aws-agent': "runs AWS's agent",
  'not-from-package': 'its agent is not from a package: run install.sh there once',
  'no-package': 'no package for its system is offered',
  newer: 'has a newer version (--downgrade)',
  offline: 'is away; update again when it is back',
};
/** Hosts that are named; the rest is counted. */
const MAX_NAMED = 20;

interface Room {
  width: number;
  style: Style;
}

export function versionLines(versions: AgentVersions, { width, style }: Room): string[] {
  const { offered, running, leftOut, outdatedHosts, version } = versions;
  if (version === null) return ['This coordinator offers no packages of the agent (packagesDirectory).'];
  const known = [...new Set([version, ...offered.map((one) => one.version), ...running.map((one) => one.version)])];
  const rows = known.map((one) => [
    one === null ? 'unknown' : plainText(one),
    String(running.find((other) => other.version === one)?.hosts ?? 0),
    offered.some((other) => other.version === one) ? 'offered' : '',
  ]);
  return [
    ...table([{ title: 'VERSION' }, { title: 'HOSTS' }, { title: '' }], rows, width, style),
    '',
    outdatedHosts === 0
      ? `Nothing to update to ${version}.`
      : `${plural(outdatedHosts, 'host')} to update to ${version}: drover agents update`,
    ...leftOutLines(leftOut),
  ];
}

/** Who an update would leave out, one line for each reason. */
export function leftOutLines(leftOut: AgentVersions['leftOut']): string[] {
  const reasons = [...new Set(leftOut.map((one) => one.reason))];
  return reasons.map((reason) => {
    const names = leftOut.filter((one) => one.reason === reason).map((one) => one.hostName);
    const more = names.length - MAX_NAMED;
    const named = names.slice(0, MAX_NAMED).join(', ');
    return `Left out: ${named}${more > 0 ? ` and ${more} more` : ''}: ${REASONS[reason]}.`;
  });
}

export function updateLines(update: AgentUpdate, { width, style }: Room): string[] {
  const { progress } = update;
  const at = (instant: number | null) => (instant === null ? '' : dateTime(instant, style.utcOffset));
  const head = facts(
    [
      ['Agent update', `${update.id}  to ${update.version}`],
      ['Status', { text: statusText(update), paint: paintOfStatus(style, update.status) }],
      [
        'Plan',
        `waves ${update.waves.join(', ')} of ${plural(update.totalHosts, 'host')}; budget ${update.budget} of a wave`,
      ],
      ['Started', `${at(update.createdAt)} by ${plainText(update.createdBy)}`],
      ...(update.completedAt === null ? [] : [['Ended', at(update.completedAt)] as const]),
      ...(update.message === null ? [] : [['Outcome', plainText(update.message)] as const]),
    ],
    width,
    style,
  );
  if (progress.length === 0) return head;
  const columns = [
    { title: 'WAVE' },
    { title: 'DEPLOYMENT' },
    { title: 'STATUS' },
    { title: 'HOSTS' },
    { title: 'DONE' },
  ];
  const rows = progress.map((wave) => [
    String(wave.number),
    wave.deploymentId,
    { text: wave.status ?? 'no longer kept', paint: paintOfStatus(style, wave.status ?? '') },
    String(wave.hosts),
    doneText(wave),
  ]);
  return [...head, '', ...table(columns, rows, width, style)];
}

/** What is new since `before`, a line each: for people who watch, and for logs. */
export function progressLines(update: AgentUpdate, before: AgentUpdate | null, now: number): string[] {
  const line = (text: string) => `${utcTimeOfDay(now)} ${update.id} ${text}`;
  const lines: string[] = [];
  if (before === null)
    lines.push(
      line(`to ${update.version}: ${plural(update.totalHosts, 'host')} in waves of ${update.waves.join(', ')}`),
    );
  for (const wave of update.progress) {
    const earlier = before?.progress.find((one) => one.number === wave.number);
    if (earlier === undefined)
      lines.push(line(`wave ${wave.number}: ${plural(wave.hosts, 'host')}, ${wave.deploymentId}`));
    const told = earlier === undefined ? doneText({ ...wave, succeeded: 0, failed: 0, skipped: 0 }) : doneText(earlier);
    if (doneText(wave) !== told || (isOver(wave) && !isOver(earlier)))
      lines.push(line(`wave ${wave.number}: ${doneText(wave)}${isOver(wave) ? ` (${wave.status})` : ''}`));
  }
  if (update.status !== 'InProgress' && before?.status !== update.status)
    lines.push(line(`${update.status}: ${plainText(update.message ?? '')}`));
  return lines;
}

function isOver(wave: AgentUpdateWave | undefined): boolean {
  return wave?.status === 'Succeeded' || wave?.status === 'Failed' || wave?.status === 'Stopped';
}

function statusText({ status, stopRequestedBy }: AgentUpdate): string {
  return status === 'InProgress' && stopRequestedBy !== null
    ? `stopping, asked by ${plainText(stopRequestedBy)}`
    : status;
}

function doneText({ hosts, succeeded, failed, skipped }: AgentUpdateWave): string {
  const rest = [...(failed > 0 ? [`${failed} failed`] : []), ...(skipped > 0 ? [`${skipped} not touched`] : [])];
  return [`${succeeded} of ${hosts}`, ...rest].join(', ');
}

import type { Deployment } from '../../../shared/model/deployment.ts';
import type { Target, TargetStatus } from '../../../shared/model/target.ts';
import { budgetOf, remainingMs } from '../watch/budget.ts';
import type { WatchModel } from '../watch/watch-model.ts';
import { causeSentence, firstFailureLines, someHosts } from './cause-lines.ts';
import { paintOfStatus, type Style } from './style.ts';
import { cutEnd, cutMiddle, line, padEnd, type Segment, sides, widthOf } from './text.ts';
import { count, elapsed, guess, ordinal, timeOfDay } from './units.ts';

export interface LiveView {
  model: WatchModel;
  now: number;
  width: number;
  height: number;
  /** Since when there is no contact; null while there is. */
  lostSinceAt: number | null;
  /** Lines that were asked for (a log, causes), or a question, between picture and keys. */
  panel: readonly string[];
  hasKeys: boolean;
}

/** Up to this many hosts have a line each; up to the next, a cell each; above, proportions. */
const MAX_LINES = 16;
const MAX_CELLS = 400;
/** Below this many lines hosts matter more than the budget. */
const TIGHT_HEIGHT = 10;
const LETTER: Readonly<Record<TargetStatus, string>> = {
  Succeeded: 'S',
  InProgress: 'R',
  Failed: 'X',
  Pending: '.',
  Skipped: '-',
};

/** The block that is redrawn: never higher than the terminal, whatever the fleet. */
export function livePicture(view: LiveView, style: Style): string[] {
  const { model, width } = view;
  const fixed = [header(view, style)];
  const foot = [
    ...(view.height < TIGHT_HEIGHT ? [] : budgetLines(view, style)),
    progressLine(view, style),
    ...view.panel.map((text) => line([text], width, style)),
    ...(view.hasKeys ? [keysLine(view, style)] : []),
  ];
  const room = Math.max(0, view.height - 1 - fixed.length - foot.length);
  const body =
    model.size <= MAX_LINES
      ? hostLines(view, room, style)
      : [
          ...(model.size <= MAX_CELLS ? cellLines(view, room, style) : []),
          ...runningLine(view, style),
          ...failureLines(view, style),
        ];
  return [...fixed, ...body.slice(0, room), ...foot].slice(0, Math.max(1, view.height - 1));
}

function header(view: LiveView, style: Style): string {
  const { deployment: d } = view.model;
  const { floor } = budgetOf(d);
  const left: Segment[] = [
    [d.id, style.bold],
    `  ${changeText(d, style)}  ${d.application}/${d.deploymentGroup}`,
    `  floor ${count(floor)} of ${count(d.totalHosts - (d.forgottenHosts ?? 0))}`,
  ];
  const running = elapsed(view.now - (d.startedAt ?? d.createdAt));
  if (view.lostSinceAt !== null)
    return sides(
      left,
      [`no contact since ${timeOfDay(view.lostSinceAt, style.utcOffset)}`, style.warn],
      view.width,
      style,
    );
  const state = d.endingAs === null ? 'Live' : `Ending: ${d.endingAs}`;
  return sides(left, [`${state}  ${running}`, d.endingAs === null ? style.good : style.warn], view.width, style);
}

/** `1.8.4 -> 1.9.0`, `rollback to 1.8.4`, or `1.8.4` when there was nothing before. */
function changeText(d: Deployment, style: Style): string {
  if (d.creator === 'codeDeployRollback') return `rollback to ${d.revisionLabel}`;
  const isSame = d.previousRevisionLabel === null || d.previousRevisionLabel === d.revisionLabel;
  return isSame ? d.revisionLabel : `${d.previousRevisionLabel} ${style.glyphs.arrow} ${d.revisionLabel}`;
}

/** Running hosts first, then those that failed, then those that wait; those that are done have scrolled up. */
function hostLines(view: LiveView, room: number, style: Style): string[] {
  const all = [...view.model.targets].filter((target) => target.status !== 'Succeeded');
  const order: readonly TargetStatus[] = ['InProgress', 'Failed', 'Pending', 'Skipped'];
  const sorted = order.flatMap((status) => all.filter((target) => target.status === status));
  const failure = failureLines(view, style);
  const fits = Math.max(0, room - failure.length);
  const shown = sorted.length > fits ? sorted.slice(0, Math.max(0, fits - 1)) : sorted;
  const nameWidth = Math.min(Math.max(0, ...shown.map((target) => widthOf(target.hostName))), 32);
  const hidden = sorted.length - shown.length;
  return [
    ...shown.map((target) => hostLine(target, nameWidth, view, style)),
    ...(hidden > 0 ? [`  and ${count(hidden)} more`] : []),
    ...failure,
  ];
}

function hostLine(target: Target, nameWidth: number, view: LiveView, style: Style): string {
  const since = target.startedAt === null || target.status !== 'InProgress' ? '' : elapsed(view.now - target.startedAt);
  const name = padEnd(cutMiddle(target.hostName, nameWidth, style), nameWidth);
  const event = padEnd(target.lifecycleEvent ?? '', 16);
  return line(
    [`  ${name}  `, [padEnd(target.status, 10), paintOfStatus(style, target.status)], `  ${event}  ${since}`],
    view.width,
    style,
  ).trimEnd();
}

/** A letter for each host, in the order of the plan. */
function cellLines(view: LiveView, room: number, style: Style): string[] {
  const statuses = [...view.model.targets].map((target) => target.status);
  const perLine = Math.max(10, Math.floor((view.width - 4) / 10) * 10);
  const lines: string[] = [];
  for (let start = 0; start < statuses.length; start += perLine) {
    const part = statuses.slice(start, start + perLine);
    lines.push(`  ${part.map((status) => paintOfStatus(style, status)(LETTER[status])).join('')}`);
  }
  const limit = Math.max(1, room - 3);
  return lines.length > limit ? lines.slice(0, limit) : lines;
}

/** Which events the running hosts are in, and how many hosts end in a second. */
function runningLine(view: LiveView, style: Style): string[] {
  const { deployment, counts } = view.model;
  const byEvent = new Map<string, number>();
  for (const target of view.model.targets)
    if (target.status === 'InProgress') {
      const event = target.lifecycleEvent ?? 'starting';
      byEvent.set(event, (byEvent.get(event) ?? 0) + 1);
    }
  if (byEvent.size === 0) return [];
  const events = [...byEvent].toSorted(([, a], [, b]) => b - a).map(([event, hosts]) => `${event} ${count(hosts)}`);
  const seconds = (view.now - (deployment.startedAt ?? deployment.createdAt)) / 1_000;
  const rate = seconds <= 0 ? 0 : (counts.Succeeded + counts.Failed) / seconds;
  const shownRate = rate >= 1 ? `${rate.toFixed(1)} hosts/s` : '';
  return [sides([`  running    ${events.join(', ')}`], shownRate, view.width, style)];
}

/** The first failure whole, then each cause in a line. */
function failureLines(view: LiveView, style: Style): string[] {
  const { causes } = view.model;
  if (causes.first === null) return [];
  const others = causes.list.slice(0, 4).map((cause) => {
    const prefix = `${String(cause.hostCount).padStart(6)}  `;
    const hosts = someHosts(cause.hostNames, cause.hostCount, 1);
    const room = Math.max(10, view.width - widthOf(prefix) - widthOf(hosts) - 2);
    return sides([[prefix, style.bad], cutEnd(causeSentence(cause), room, style)], hosts, view.width, style);
  });
  const isOneHost = view.model.counts.Failed <= 1;
  return [
    ...firstFailureLines(causes.first, view.height >= 20 ? 3 : 1, view.width - 2, style).map((text) => `  ${text}`),
    ...(isOneHost ? [] : [style.bold('  WHY'), ...others]),
  ];
}

/** How many may be out, and which failure ends it. */
function budgetLines(view: LiveView, style: Style): string[] {
  const { deployment } = view.model;
  const { Failed, InProgress } = view.model.counts;
  const { mayBeOut, endsAtFailure, willRollBackTo } = budgetOf(deployment);
  const out =
    mayBeOut === 0
      ? []
      : [
          line(
            [
              `  out now    ${count(InProgress + Failed)} of ${count(mayBeOut)} may be out: ${count(InProgress)} running, ${count(Failed)} failed`,
            ],
            view.width,
            style,
          ),
        ];
  if (endsAtFailure === null) return out;
  const then =
    willRollBackTo === null ? 'stops it, without a rollback' : `stops it and rolls back to ${willRollBackTo}`;
  const marks =
    endsAtFailure <= 12
      ? `${'X'.repeat(Math.min(Failed, endsAtFailure))}${'.'.repeat(Math.max(0, endsAtFailure - Failed))}  `
      : '';
  return [
    ...out,
    line(
      [
        '  failures   ',
        [marks, Failed > 0 ? style.bad : style.dim],
        `${count(Failed)}; the ${ordinal(endsAtFailure)} ${then}`,
      ],
      view.width,
      style,
    ),
  ];
}

function progressLine(view: LiveView, style: Style): string {
  const { counts, size } = view.model;
  const done = counts.Succeeded + counts.Failed + counts.Skipped;
  const left = remainingMs(view.model);
  const before = `  ${count(done)} of ${count(size)} done, ${count(counts.InProgress)} running, `;
  const failed = `${count(counts.Failed)} failed`;
  const after = left === null ? '' : `, ${guess(left)} left`;
  // The words matter more than the bar: it gets what room is left.
  const room = view.width - 4 - widthOf(before + failed + after);
  return line(
    [
      '  [',
      ...progressBar(counts, size, Math.max(8, Math.min(32, room)), style),
      `]${before}`,
      [failed, counts.Failed > 0 ? style.bad : style.dim],
      after,
    ],
    view.width,
    style,
  );
}

/** What failed or runs is seen, however small its part. */
function progressBar(counts: WatchModel['counts'], size: number, width: number, style: Style): Segment[] {
  const cells = (value: number) => Math.round((value / Math.max(1, size)) * width);
  const failed = Math.max(counts.Failed > 0 ? 1 : 0, cells(counts.Failed));
  const running = Math.max(counts.InProgress > 0 ? 1 : 0, cells(counts.InProgress));
  const succeeded = Math.min(cells(counts.Succeeded), Math.max(0, width - failed - running));
  const empty = Math.max(0, width - succeeded - failed - running);
  const { barDone, barFailed, barRunning, barEmpty } = style.glyphs;
  return [
    [barDone.repeat(succeeded), style.good],
    [barFailed.repeat(failed), style.bad],
    [barRunning.repeat(running), style.accent],
    [barEmpty.repeat(empty), style.dim],
  ];
}

function keysLine(view: LiveView, style: Style): string {
  const why = view.model.causes.first === null ? '' : '   w why';
  return line([[`  s stop   l log${why}   q leave (it goes on)`, style.dim]], view.width, style);
}

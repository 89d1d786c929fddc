import type { Change } from '../watch/watch-model.ts';
import { causeSentence } from './cause-lines.ts';
import { paintOfStatus, type Style } from './style.ts';
import { cutMiddle, line, padEnd } from './text.ts';
import { duration, timeOfDay } from './units.ts';

/** The line that scrolls up above the live picture when a host has ended; undefined for other changes. */
export function historyLine(change: Change, nameWidth: number, width: number, style: Style): string | undefined {
  if (change.kind !== 'target') return undefined;
  const { target } = change;
  if (target.status === 'Pending' || target.status === 'InProgress') return undefined;
  const at = timeOfDay(target.completedAt ?? change.at, style.utcOffset);
  const took =
    target.startedAt === null || target.completedAt === null ? '' : duration(target.completedAt - target.startedAt);
  const name = padEnd(cutMiddle(target.hostName, nameWidth, style), nameWidth);
  return line(
    [
      `  ${at}  ${name}  `,
      [padEnd(target.status, 9), paintOfStatus(style, target.status)],
      `  ${target.status === 'Succeeded' ? took : reasonOf(target)}`,
    ],
    width,
    style,
  ).trimEnd();
}

/** Why a target ended other than well, in one line. */
export function reasonOf(target: Extract<Change, { kind: 'target' }>['target']): string {
  const { diagnostics } = target;
  return causeSentence({
    lifecycleEvent: target.lifecycleEvent,
    scriptName: diagnostics?.scriptName ?? null,
    errorCode: diagnostics?.errorCode ?? target.errorCode,
    exitCode: diagnostics?.exitCode ?? null,
    message: diagnostics?.message ?? target.message ?? '',
    logTail: diagnostics?.logTail ?? null,
  }).trim();
}

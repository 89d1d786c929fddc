import type { Target } from '../../../shared/model/target.ts';
import type { Cause } from '../watch/failure-causes.ts';
import type { Style } from './style.ts';
import { lastLines, line, plainText } from './text.ts';
import { count, plural, timeOfDay } from './units.ts';

/** `AfterInstall > scripts/migrate.sh exited 1: ERROR: …`, or `HOST_LOST in Install: …`: one line that says why. */
export function causeSentence(cause: Placed & Pick<Cause, 'exitCode' | 'message' | 'logTail'>): string {
  const place = placeOf(cause);
  const ending = cause.exitCode === null ? plainText(cause.message) : `exited ${cause.exitCode}`;
  const last = cause.logTail === null ? undefined : errorLine(cause.logTail);
  const isCode = cause.errorCode !== null && place.startsWith(cause.errorCode);
  const start = place === '' ? '' : `${place}${isCode ? ':' : ''} `;
  return `${start}${ending}${last === undefined ? '' : `: ${last.trim()}`}`;
}

type Placed = Pick<Cause, 'lifecycleEvent' | 'scriptName'> & { errorCode: string | null };

/** An event that failed, and no more. */
const SAYS_NO_MORE: ReadonlySet<string | null> = new Set([null, 'UnknownError', 'HOOK_FAILED']);

/** The script, and its event; where there was none, the code by which docs/operations.md tells what to do. */
function placeOf({ lifecycleEvent, scriptName, errorCode }: Placed): string {
  const isByCode = scriptName === null && !(lifecycleEvent !== null && SAYS_NO_MORE.has(errorCode));
  if (isByCode) return [errorCode, lifecycleEvent].filter((part) => part !== null).join(' in ');
  return [lifecycleEvent, scriptName].filter((part) => part !== null).join(' > ');
}

/** `web-b-0112 web-b-0119 web-b-0131 +15` */
export function someHosts(names: readonly string[], total: number, limit = 3): string {
  const shown = names.slice(0, limit);
  return total > shown.length ? `${shown.join(' ')} +${count(total - shown.length)}` : shown.join(' ');
}

/** All causes with the lines that matter, as `drover why` shows them. */
export function whyLines(causes: readonly Cause[], width: number, style: Style): string[] {
  const hosts = causes.reduce((sum, cause) => sum + cause.hostCount, 0);
  const firstAt = Math.min(...causes.map((cause) => cause.firstAt));
  return [
    line(
      [
        [`${plural(causes.length, 'cause')}, ${plural(hosts, 'host')}`, style.bold],
        `, first at ${timeOfDay(firstAt, style.utcOffset)}`,
      ],
      width,
      style,
    ),
    ...causes.flatMap((cause) => causeBlock(cause, width, style)),
  ];
}

function causeBlock(cause: Cause, width: number, style: Style): string[] {
  const ending = cause.exitCode === null ? (plainText(cause.message).split('\n')[0] ?? '') : `exited ${cause.exitCode}`;
  return [
    line(
      [
        `  ${placeOf(cause)}  `,
        [ending, style.bad],
        `   ${plural(cause.hostCount, 'host')}: ${someHosts(cause.hostNames, cause.hostCount)}`,
      ],
      width,
      style,
    ),
    ...quotedTail(cause.logTail, 8, width, style),
  ];
}

/** The last lines of an output, the one that looks like the error marked. */
export function quotedTail(logTail: string | null, limit: number, width: number, style: Style): string[] {
  const lines = lastLines(logTail ?? '', limit);
  const marked = indexOfError(lines);
  return lines.map((text, index) =>
    index === marked
      ? line(
          [
            ['  > ', style.bad],
            [text, style.bad],
          ],
          width,
          style,
        )
      : line([[`  ${style.glyphs.quote} `, style.dim], text], width, style),
  );
}

/** The first failure with host, event, script, exit code and the end of its output. */
export function firstFailureLines(target: Target, limit: number, width: number, style: Style): string[] {
  const { diagnostics } = target;
  const place = placeOf({
    lifecycleEvent: target.lifecycleEvent,
    scriptName: diagnostics?.scriptName || null,
    errorCode: diagnostics?.errorCode ?? target.errorCode,
  });
  const ending =
    diagnostics?.exitCode === undefined
      ? plainText(diagnostics?.message ?? target.message ?? 'failed')
      : `exited ${diagnostics.exitCode}`;
  return [
    line(['first failure  ', [target.hostName, style.bold], `  ${place}  `, [ending, style.bad]], width, style),
    ...quotedTail(diagnostics?.logTail ?? null, limit, width, style),
  ];
}

function errorLine(logTail: string): string | undefined {
  const lines = lastLines(logTail, 40);
  return lines[indexOfError(lines)] ?? lines.at(-1);
}

/** The last line that calls itself an error, else the last one. */
function indexOfError(lines: readonly string[]): number {
  const index = lines.findLastIndex((text) =>
    /\b(error|fatal|panic|exception|denied|cannot|failed|not found)\b/i.test(text),
  );
  return index === -1 ? lines.length - 1 : index;
}

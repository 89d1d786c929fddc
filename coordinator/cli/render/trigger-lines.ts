import type * as z from 'zod';
import type { triggerMessageWithBody } from '../../../shared/model/trigger.ts';
import type { Style } from './style.ts';
import { type Cell, facts } from './table.ts';
import { plainText } from './text.ts';
import { ago, dateTime } from './units.ts';

/** A message on one screen, with what it says. */
export function triggerLines(
  message: z.output<typeof triggerMessageWithBody>,
  now: number,
  width: number,
  style: Style,
): string[] {
  const isDead = message.state === 'dead';
  const pairs: (readonly [string, string | Cell])[] = [
    ['Message', message.id],
    ['State', { text: message.state, paint: isDead ? style.bad : style.warn }],
    [
      'Event',
      `${message.event} of ${message.deploymentId}${message.hostName === null ? '' : ` on ${message.hostName}`}`,
    ],
    ['Trigger', plainText(`${message.triggerName} of ${message.application}/${message.deploymentGroup}`)],
    ['Target', plainText(message.target)],
    ['Written', `${dateTime(message.createdAt, style.utcOffset)} (${ago(message.createdAt, now)})`],
    ['Attempts', String(message.attempts)],
    ...(message.lastError === null ? [] : [['Why', plainText(message.lastError)] as const]),
    ...(message.nextAttemptAt === null
      ? []
      : [['Next attempt', dateTime(message.nextAttemptAt, style.utcOffset)] as const]),
    ['Subject', plainText(message.subject)],
  ];
  return [...facts(pairs, width, style), '', plainText(message.body)];
}

import { createHmac } from 'node:crypto';
import type { Clock } from '../../shared/core/clock.ts';
import { failureOf, post } from './http-post.ts';
import type { Notifier } from './notifier.ts';

export interface WebhookParts {
  clock: Pick<Clock, 'now'>;
  /** What messages are signed with; null: they are not. */
  signingSecret: Uint8Array | null;
  userAgent: string;
}

/**
 * Posts messages as JSON. Id, time and signature are headers as the Standard Webhooks specification has them, for which
 * receivers find libraries in most languages: the signature is HMAC-SHA256 over `id.time.body`.
 */
export function createWebhookNotifier({ clock, signingSecret, userAgent }: WebhookParts): Notifier {
  return {
    async send(message, signal) {
      const timestamp = String(Math.floor(clock.now() / 1_000));
      const answer = await post(new URL(message.target), {
        signal,
        body: message.body,
        headers: {
          'content-type': 'application/json',
          'user-agent': userAgent,
          'drover-event': message.event,
          'webhook-id': message.id,
          'webhook-timestamp': timestamp,
          ...(signingSecret === null
            ? {}
            : { 'webhook-signature': signatureOf(signingSecret, `${message.id}.${timestamp}.${message.body}`) }),
        },
      });
      if ('kind' in answer) return answer;
      if (answer.status >= 200 && answer.status < 300) return { kind: 'delivered' };
      const isRedirect = answer.status >= 300 && answer.status < 400;
      return failureOf(answer, isRedirect ? 'redirects are not followed' : '');
    },
  };
}

function signatureOf(secret: Uint8Array, text: string): string {
  return `v1,${createHmac('sha256', secret).update(text).digest('base64')}`;
}

/** A secret as written: `whsec_` and base64, or any text. */
export function webhookSecret(text: string): Uint8Array {
  return text.startsWith('whsec_') ? Buffer.from(text.slice('whsec_'.length), 'base64') : Buffer.from(text, 'utf8');
}

import { request } from 'undici';
import { errnoOf, errorMessage } from '../../shared/core/errors.ts';
import { failed, refused, type SendOutcome } from './notifier.ts';

export interface Answer {
  status: number;
  /** The beginning of it. */
  text: string;
  retryAfterMs: number | null;
}

/** As much of an answer as is read. */
const MAX_ANSWER_BYTES = 16_384;

/** Posts a body; what cannot be reached is an outcome. Redirects are not followed: a message goes where the group says. */
export async function post(
  url: URL,
  options: { headers: Record<string, string>; body: string; signal: AbortSignal },
): Promise<Answer | SendOutcome> {
  try {
    const answer = await request(url, { method: 'POST', ...options });
    const retryAfter = answer.headers['retry-after'];
    return {
      status: answer.statusCode,
      text: await beginningOf(answer.body),
      retryAfterMs: typeof retryAfter === 'string' && /^\d{1,9}$/.test(retryAfter) ? Number(retryAfter) * 1_000 : null,
    };
  } catch (error) {
    if (options.signal.aborted) return failed('no answer in time');
    const code = errnoOf(error);
    return failed(errorMessage(error) === '' && code !== undefined ? code : errorMessage(error));
  }
}

/** What an answer that is no success means; `told` is what it says of itself. */
export function failureOf({ status, retryAfterMs }: Answer, told = ''): SendOutcome {
  const reason = `answered ${status}${told === '' ? '' : `: ${told}`}`;
  switch (status) {
    // The target is gone for good, or will never take this message.
    case 410:
    case 400:
    case 413:
    case 415:
    case 422:
      return refused(reason);
    default:
      return failed(reason, retryAfterMs);
  }
}

/** What comes of it: the status has come already, and a message that was taken must not be sent again for the rest. */
async function beginningOf(body: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of body) {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes >= MAX_ANSWER_BYTES) break;
    }
  } catch {
    // Cut off, or longer than the attempt may take.
  }
  return Buffer.concat(chunks).subarray(0, MAX_ANSWER_BYTES).toString('utf8');
}

import type * as z from 'zod';
import { MAX_FRAME_BYTES } from './messages.ts';

export type Decoded<Message> =
  | { ok: true; message: Message }
  | { ok: false; code: 'malformed' | 'unknown_kind' | 'too_large'; message: string };

/** One frame to one message, or what is wrong with it and where. Never throws. */
export function decodeFrame<Message>(
  schema: z.ZodType<Message>,
  kinds: ReadonlySet<string>,
  frame: string | Uint8Array,
): Decoded<Message> {
  const byteLength = typeof frame === 'string' ? Buffer.byteLength(frame) : frame.byteLength;
  if (byteLength > MAX_FRAME_BYTES)
    return { ok: false, code: 'too_large', message: `frame of ${byteLength} bytes, at most ${MAX_FRAME_BYTES}` };
  let value: unknown;
  try {
    value = JSON.parse(typeof frame === 'string' ? frame : Buffer.from(frame).toString('utf8'));
  } catch {
    return { ok: false, code: 'malformed', message: 'frame is not JSON' };
  }
  if (typeof value === 'object' && value !== null && 'kind' in value && typeof value.kind === 'string')
    if (!kinds.has(value.kind))
      return { ok: false, code: 'unknown_kind', message: `unknown kind ${JSON.stringify(value.kind.slice(0, 64))}` };
  const parsed = schema.safeParse(value);
  if (parsed.success) return { ok: true, message: parsed.data };
  const issue = parsed.error.issues[0];
  return {
    ok: false,
    code: 'malformed',
    message: `${issue?.path.map(String).join('.') || 'frame'}: ${issue?.message ?? 'not a message'}`,
  };
}

export const AGENT_MESSAGE_KINDS: ReadonlySet<string> = new Set(['hello', 'heartbeat', 'reports', 'output', 'drift']);
export const COORDINATOR_MESSAGE_KINDS: ReadonlySet<string> = new Set([
  'challenge',
  'welcome',
  'assignment',
  'cancel',
  'find-drift',
  'acknowledged',
  'heartbeat',
  'goodbye',
  'problem',
]);

export function encodeFrame(message: object): string {
  return JSON.stringify(message);
}

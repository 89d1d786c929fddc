/**
 * PORT: sends a trigger's message to its target, once for each call. Who calls repeats it until it was delivered, so the
 * target may get it more than once, always under the same id.
 */
export interface Notifier {
  /** Every outcome is a value. The signal gives the attempt up: the target may have the message or not. */
  send(message: OutgoingMessage, signal: AbortSignal): Promise<SendOutcome>;
}

export interface OutgoingMessage {
  id: string;
  /** As it stands in the group's trigger. */
  target: string;
  event: string;
  deploymentId: string;
  subject: string;
  body: string;
}

export type SendOutcome =
  | { kind: 'delivered' }
  /** Worth another attempt; `retryAfterMs` when the target said how long to wait. */
  | { kind: 'failed'; reason: string; retryAfterMs: number | null }
  /** Another attempt would end the same way. */
  | { kind: 'refused'; reason: string };

export function failed(reason: string, retryAfterMs: number | null = null): SendOutcome {
  return { kind: 'failed', reason, retryAfterMs };
}

export function refused(reason: string): SendOutcome {
  return { kind: 'refused', reason };
}

/** A WebSocket that failed this often in a row makes long poll worth a try. */
const FAILURES_BEFORE_FALLBACK = 3;

/**
 * Which way to try next. WebSocket is the better one and is always tried first; long poll follows when WebSockets are
 * refused or fail again and again (one that opens and brings nothing has failed, too), and every now and then WebSocket gets another chance.
 */
export interface TransportChoice {
  webSocketFailures: number;
  /** A proxy or server answered the upgrade with an HTTP status, and not that who is behind it is away: no reason to try that again at once. */
  isUpgradeRefused: boolean;
  longPollFailures: number;
}

export const FRESH_CHOICE: TransportChoice = { webSocketFailures: 0, isUpgradeRefused: false, longPollFailures: 0 };
/** Long poll works, so a WebSocket that fails once more is not waited for three times. */
export const ONE_MORE_CHANCE: TransportChoice = {
  ...FRESH_CHOICE,
  webSocketFailures: FAILURES_BEFORE_FALLBACK - 1,
};

export function nextTransport(choice: TransportChoice): 'websocket' | 'long-poll' {
  const isWebSocketBroken = choice.isUpgradeRefused || choice.webSocketFailures >= FAILURES_BEFORE_FALLBACK;
  // When neither works the coordinator is away, and WebSocket is as good as new.
  return isWebSocketBroken && choice.longPollFailures === 0 ? 'long-poll' : 'websocket';
}

export type Attempt =
  | { transport: 'websocket'; outcome: 'connected' | 'failed' | 'upgrade-refused' }
  | { transport: 'long-poll'; outcome: 'connected' | 'failed' };

export function afterAttempt(choice: TransportChoice, attempt: Attempt): TransportChoice {
  if (attempt.transport === 'long-poll')
    return attempt.outcome === 'connected' ? { ...choice, longPollFailures: 0 } : FRESH_CHOICE;
  if (attempt.outcome === 'connected') return FRESH_CHOICE;
  return {
    webSocketFailures: choice.webSocketFailures + 1,
    isUpgradeRefused: choice.isUpgradeRefused || attempt.outcome === 'upgrade-refused',
    longPollFailures: 0,
  };
}

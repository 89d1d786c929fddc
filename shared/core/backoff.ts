export interface BackoffPolicy {
  /** The first window, in ms. */
  baseMs: number;
  /** The largest window, in ms. */
  maxMs: number;
}

/**
 * How long to wait before attempt `failures + 1`. The whole window is random (full jitter), so that a fleet that lost its
 * coordinator does not come back as one wave; the window doubles with each failure in a row.
 * @param failures failures in a row, 1 or more
 * @param fraction a random number in [0, 1)
 * @returns ms, at least a tenth of the window
 */
export function backoffMs(policy: BackoffPolicy, failures: number, fraction: number): number {
  const exponent = Math.min(Math.max(0, failures - 1), 30);
  const windowMs = Math.min(policy.maxMs, policy.baseMs * 2 ** exponent);
  return Math.round(windowMs * (0.1 + 0.9 * fraction));
}

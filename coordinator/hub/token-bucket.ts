/** A bound on how often something may happen: `perSecond` on average, `burst` at once. Pure but for its own two numbers. */
export class TokenBucket {
  #tokens: number;
  #filledAt: number;

  constructor(burst: number, now: number) {
    this.#tokens = burst;
    this.#filledAt = now;
  }

  /** Takes one token; false when it was the last one or there was none. */
  take(rate: { perSecond: number; burst: number }, now: number): boolean {
    this.#fill(rate, now);
    this.#tokens = Math.max(0, this.#tokens - 1);
    return this.#tokens >= 1;
  }

  /** True once a fair part is there again, so that a limited sender does not go on in single frames. */
  hasRecovered(rate: { perSecond: number; burst: number }, now: number): boolean {
    this.#fill(rate, now);
    return this.#tokens >= rate.burst / 4;
  }

  #fill(rate: { perSecond: number; burst: number }, now: number): void {
    const elapsedMs = Math.max(0, now - this.#filledAt);
    this.#tokens = Math.min(rate.burst, this.#tokens + (elapsedMs * rate.perSecond) / 1_000);
    this.#filledAt = now;
  }
}

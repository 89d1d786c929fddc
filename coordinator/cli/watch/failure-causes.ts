import type * as z from 'zod';
import type { cause } from '../../../shared/api/deployments.ts';
import type { Target } from '../../../shared/model/target.ts';

export type Cause = z.output<typeof cause>;

const MAX_NAMES = 5;
/** More different causes than this are a flood, not an explanation: the rest is counted under its error code. */
const MAX_CAUSES = 50;

/** Equal failures told once, as `GET /v1/deployments/:deployment/causes` does, but while they happen. */
export class FailureCauses {
  readonly #byKey = new Map<string, Cause>();
  /** The target that failed first. */
  first: Target | null = null;

  /** @returns the cause when it is a new one */
  add(target: Target): void {
    this.first ??= target;
    const { diagnostics } = target;
    const key = JSON.stringify([
      target.lifecycleEvent,
      diagnostics?.scriptName,
      target.errorCode,
      diagnostics?.exitCode,
      diagnostics === null ? target.message : diagnostics.message,
    ]);
    const known = this.#byKey.get(key);
    if (known !== undefined) {
      known.hostCount++;
      if (known.hostNames.length < MAX_NAMES) known.hostNames.push(target.hostName);
      return;
    }
    if (this.#byKey.size >= MAX_CAUSES) return;
    this.#byKey.set(key, {
      lifecycleEvent: target.lifecycleEvent,
      scriptName: diagnostics?.scriptName ?? null,
      errorCode: diagnostics?.errorCode ?? target.errorCode ?? 'UnknownError',
      message: diagnostics?.message ?? target.message ?? 'failed',
      exitCode: diagnostics?.exitCode ?? null,
      logTail: diagnostics?.logTail ?? null,
      hostCount: 1,
      hostNames: [target.hostName],
      firstAt: target.completedAt ?? 0,
    });
  }

  /** In the order in which they were learned: of a moment there may be several, and one may be told later than another that began after it. */
  get inOrder(): Cause[] {
    return [...this.#byKey.values()];
  }

  /** The most frequent first. */
  get list(): Cause[] {
    return this.inOrder.toSorted((a, b) => b.hostCount - a.hostCount);
  }

  get size(): number {
    return this.#byKey.size;
  }
}

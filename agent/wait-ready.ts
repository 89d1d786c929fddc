import { type Clock, sleep } from '../shared/core/clock.ts';
import { isAppError } from '../shared/core/errors.ts';
import { askReadiness, openSession, type Readiness } from './connection/enrolment.ts';
import type { HttpClient } from './connection/http-client.ts';
import type { Identity } from './connection/identity.ts';

const ASK_INTERVAL_MS = 1_000;

export interface WaitReadyParts {
  clock: Clock;
  /** Null until this host has enrolled. */
  loadIdentity(): Promise<Identity | null>;
  createHttp(coordinatorUrl: string): Promise<HttpClient>;
  /** Once for each new reason. */
  onWaiting(reason: string): void;
}

export type WaitReadyResult = { isReady: true; readiness: Readiness } | { isReady: false; reason: string };

/**
 * Asks until this host may be put behind a load balancer. What may pass (not enrolled yet, no coordinator) is waited for;
 * what will not (a refused key) is thrown.
 */
export async function waitReady(parts: WaitReadyParts, timeoutMs: number): Promise<WaitReadyResult> {
  const deadline = parts.clock.now() + timeoutMs;
  let reason = '';
  let connection: { http: HttpClient; token: string } | null = null;
  try {
    for (;;) {
      let now: string;
      try {
        connection ??= await connect(parts);
        if (connection === null) now = 'this host is not enrolled yet';
        else {
          const readiness = await askReadiness(connection.http, connection.token).catch(endedSession);
          if (readiness?.isReady === true) return { isReady: true, readiness };
          now = readiness === null ? 'the session has ended' : whyNot(readiness);
          if (readiness === null) {
            connection.http.close();
            connection = null;
          }
        }
      } catch (error) {
        now = passingReason(error);
        connection?.http.close();
        connection = null;
      }
      if (now !== reason) parts.onWaiting(now);
      reason = now;
      const leftMs = deadline - parts.clock.now();
      if (leftMs <= 0) return { isReady: false, reason };
      await sleep(parts.clock, Math.min(leftMs, ASK_INTERVAL_MS));
    }
  } finally {
    connection?.http.close();
  }
}

async function connect(parts: WaitReadyParts): Promise<{ http: HttpClient; token: string } | null> {
  const identity = await parts.loadIdentity();
  if (identity?.enrolment == null) return null;
  const http = await parts.createHttp(identity.enrolment.coordinatorUrl);
  return { http, token: await openSession(http, identity, identity.enrolment.hostId) };
}

function whyNot(readiness: Readiness): string {
  const waiting = readiness.groups.filter((group) => !group.isInService);
  const reasons = waiting.map(
    (group) => `${group.application}/${group.deploymentGroup}: ${group.reason ?? 'not in service'}`,
  );
  return reasons.join('; ') || 'the coordinator says no';
}

function passingReason(error: unknown): string {
  if (isAppError(error, 'unavailable') || isAppError(error, 'rate_limited')) return error.message;
  throw error;
}

/** Null for a session that has ended, as each does after an hour: the next question opens another. */
function endedSession(error: unknown): null {
  if (isAppError(error, 'unauthorized')) return null;
  throw error;
}

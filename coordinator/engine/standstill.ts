import type { Clock } from '../../shared/core/clock.ts';
import type { Logger } from '../../shared/core/logger.ts';
import type { Database } from '../storage/database.ts';

/**
 * Sees that the coordinator stood still (its machine was paused, its disk hung) or that its clock was set forward, and gives hosts the time
 * again that they had no chance to use: what they have told meanwhile is still to be read. A coordinator that was restarted gives it
 * by their hello (services/presence.ts).
 */
export function createStandstill(parts: { database: Database; clock: Clock; logger: Logger; toleratedMs: number }) {
  const { database, clock, logger } = parts;
  let lookedAt = clock.now();
  let makingUp: Promise<void> | null = null;

  /** What was due by then is due still. */
  async function giveTime(lostMs: number): Promise<void> {
    await database.transaction(async (tx) => {
      await tx.executeMany(
        `UPDATE targets SET deadline_at = CASE WHEN deadline_at > ? THEN deadline_at + ? ELSE deadline_at END,
           lost_deadline_at = CASE WHEN lost_deadline_at > ? THEN lost_deadline_at + ? ELSE lost_deadline_at END
         WHERE status = 'InProgress'`,
        [[lookedAt, lostMs, lookedAt, lostMs]],
      );
      await tx.executeMany(
        `UPDATE targets SET late_end_until = late_end_until + ? WHERE late_end_until IS NOT NULL AND late_end_until > ?`,
        [[lostMs, lookedAt]],
      );
    });
    logger.warn({ lostMs }, 'the coordinator stood still, or its clock was set forward: hosts get that time again');
  }

  return {
    /** Before every decision, and at least as often as is tolerated. Null when there is nothing to wait for. */
    makeUp(): Promise<void> | null {
      if (makingUp !== null) return makingUp;
      const now = clock.now();
      const lostMs = now - lookedAt;
      if (lostMs <= parts.toleratedMs) {
        lookedAt = now;
        return null;
      }
      makingUp = giveTime(lostMs)
        .then(() => {
          lookedAt = now;
        })
        .finally(() => {
          makingUp = null;
        });
      return makingUp;
    },
  };
}

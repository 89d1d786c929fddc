import { dropOldest } from '../../shared/core/bounded.ts';

/** A copy comes back every minute, for as long as nobody looks at it: the record says so once in this time, ms. */
const NOTE_EVERY_MS = 3_600_000;
/** About 2 MB at the most. The one that was noted first is forgotten, and is noted once more when it comes back. */
const MAX_COPIES = 10_000;

/** Who shows a key that is somebody else's. */
export interface Copy {
  hostId: string;
  remoteAddress: string;
  machineId: string | undefined;
}

/** Which refusals of copies are written down: of the same one not every attempt. Nothing here survives a restart. */
export class CloneNotes {
  /** The one that was noted last is last. */
  readonly #noted = new Map<string, { at: number; attempts: number }>();

  /**
   * One more attempt. How many there were since the last note, this one included, when it is time for the next note; null when
   * it is not.
   */
  attempt(copy: Copy, now: number): number | null {
    const key = keyOf(copy);
    const noted = this.#noted.get(key);
    const attempts = (noted?.attempts ?? 0) + 1;
    // A note that is later than now is of before the clock was set back.
    if (noted !== undefined && noted.at <= now && now - noted.at < NOTE_EVERY_MS) {
      noted.attempts = attempts;
      return null;
    }
    this.#noted.delete(key);
    this.#noted.set(key, { at: now, attempts: 0 });
    dropOldest(this.#noted, MAX_COPIES);
    return attempts;
  }

  /** The note could not be written: the next attempt is to be, with these. */
  notWritten(copy: Copy, attempts: number): void {
    const noted = this.#noted.get(keyOf(copy));
    // One that was forgotten meanwhile is noted at its next attempt anyway.
    if (noted === undefined) return;
    noted.at = Number.NEGATIVE_INFINITY;
    noted.attempts += attempts;
  }
}

function keyOf({ hostId, remoteAddress, machineId }: Copy): string {
  return JSON.stringify([hostId, remoteAddress, machineId ?? null]);
}

import type { FastifyRateLimitStore, FastifyRateLimitStoreCtor } from '@fastify/rate-limit';
import { dropOldest } from '../../shared/core/bounded.ts';
import type { Clock } from '../../shared/core/clock.ts';

interface Parts {
  clock: Clock;
  /** Addresses and tokens that are counted in one tier; the one that has asked for nothing for longest is forgotten first. */
  maxKeys: number;
}

/**
 * What the rate limits of one server count with: one store for each tier (the `groupId` of a route's limit), shared by its
 * routes. The plugin's own store is made for each route, whatever the group, and holds 5,000 keys.
 */
export function createRateLimitStore(parts: Parts): FastifyRateLimitStoreCtor {
  const tiers = new Map<string, Tier>();
  return class implements FastifyRateLimitStore {
    /** The plugin asks once for each route, with the route's own limit among the options, which its types do not say. */
    child(options: object): FastifyRateLimitStore {
      const groupId = 'groupId' in options ? String(options.groupId) : '';
      const tier = tiers.get(groupId) ?? new Tier(parts);
      tiers.set(groupId, tier);
      return tier;
    }

    /** Of routes without a tier of their own: there are none. */
    incr(...question: Parameters<FastifyRateLimitStore['incr']>): void {
      this.child({}).incr(...question);
    }
  };
}

class Tier implements FastifyRateLimitStore {
  readonly #parts: Parts;
  /** The one that was asked for last is last. */
  readonly #counts = new Map<string, { current: number; since: number }>();

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  child(): FastifyRateLimitStore {
    return this;
  }

  incr(key: string, told: (error: null, result: { current: number; ttl: number }) => void, windowMs: number): void {
    const now = this.#parts.clock.now();
    const known = this.#counts.get(key);
    // One that began later than now is of before the clock was set back.
    const isOver = known === undefined || known.since > now || known.since + windowMs <= now;
    const count = isOver ? { current: 1, since: now } : { current: known.current + 1, since: known.since };
    this.#counts.delete(key);
    this.#counts.set(key, count);
    dropOldest(this.#counts, this.#parts.maxKeys);
    told(null, { current: count.current, ttl: count.since + windowMs - now });
  }
}

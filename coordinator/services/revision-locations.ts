import * as z from 'zod';
import type { Clock } from '../../shared/core/clock.ts';
import { AppError } from '../../shared/core/errors.ts';
import type { Revision } from '../../shared/model/revision.ts';
import type { Caller } from '../auth/caller.ts';
import { decodeCursor, toPage } from '../domain/cursor.ts';
import { refuseReserved } from '../domain/reserved-names.ts';
import {
  digestInKey,
  fitsLocation,
  isPinned,
  ownLocation,
  parseStoredLocation,
  type RevisionLocation,
  rangeOfFitting,
  storedLocation,
} from '../domain/revision-location.ts';
import type { Database } from '../storage/database.ts';
import { applicationRow } from '../storage/rows/applications.ts';
import { toRevision } from '../storage/rows/revisions.ts';
import type { RevisionLocationRow, RevisionRow } from '../storage/tables.ts';
import type { Revisions } from './revisions.ts';

/** What is at a place now: how to tell it from what was there before, and its bytes. */
export interface LocatedObject {
  etag: string | null;
  /** Not asked for more than once. */
  open(): Promise<AsyncIterable<Uint8Array>>;
}

export interface LocatedRevision {
  revision: Revision;
  location: RevisionLocation;
  /** As given at registration here; the revision's own where it was pushed to Drover. */
  description: string;
  registeredAt: number;
  /** Groups whose last good revision it is. */
  deploymentGroups: string[];
}

/** Where a revision is registered, or, of what was pushed to Drover alone, its place in Drover's own bucket. */
interface RegisteredPlace {
  revisionId: string;
  /** As {@link storedLocation} writes it. */
  location: string;
  description: string;
  registeredAt: number;
}

interface UsedAt {
  firstUsedAt: number | null;
  lastUsedAt: number | null;
}

interface Parts {
  database: Database;
  clock: Clock;
  revisions: Pick<Revisions, 'registerStream' | 'pushAgain'>;
  /** Looks at a location. @throws AppError `not_found`, `unavailable`, `invalid`, `not_implemented` when none is configured */
  locate(location: RevisionLocation, signal: AbortSignal): Promise<LocatedObject>;
  /** Name of the bucket in which Drover's own bundles appear. */
  ownBucket: string;
}

export interface LocationFilter {
  bucket?: string | undefined;
  keyPrefix?: string | undefined;
  /** `include`: only what is the last good revision of a group; `exclude`: only what is not. */
  deployed: 'include' | 'exclude' | 'ignore';
  sortBy: 'registerTime' | 'firstUsedTime' | 'lastUsedTime' | null;
  isDescending: boolean;
}

/** Revisions of an application that are looked at for one list; retention keeps far fewer. */
const MAX_LISTED = 20_000;
const bundleTypeOfGitHub = 'tgz';

/** Revisions by where they come from: what is fetched from there is pinned by its digest, and kept. */
export function createRevisionLocations({ database, clock, revisions, locate, ownBucket }: Parts) {
  return {
    /**
     * Fetches what is at the location now, and pins it. Again for the same bytes it is the same revision.
     * @throws AppError as `revisions.upload`, and as `locate`
     */
    async register(
      application: string,
      location: RevisionLocation,
      description: string,
      caller: Caller,
      signal: AbortSignal,
    ): Promise<Revision> {
      refuseReserved(application);
      await applicationRow(database.query, application);
      const own = await findOwn(application, location);
      if (own !== null) return revisions.pushAgain(application, own.id, caller);
      const known = isPinned(location) ? await findExact(application, location) : null;
      if (known !== null) {
        await note(application, location, { revisionId: known.id, description, etag: null });
        return revisions.pushAgain(application, known.id, caller);
      }
      return fetchAndPin(application, location, description, caller, await locate(location, signal));
    },

    /**
     * The revision that a deployment from this location deploys. A pinned location that is registered is not asked again;
     * one that is not may have been overwritten since, and then what is there now is a new revision.
     */
    async resolve(
      application: string,
      location: RevisionLocation,
      caller: Caller,
      signal: AbortSignal,
    ): Promise<Revision> {
      refuseReserved(application);
      await applicationRow(database.query, application);
      const own = await findOwn(application, location);
      if (own !== null) return own;
      const known = await newestRow(application, location);
      if (known !== null && isPinned(location)) return toRevision(known.revision);
      const object = await locate(location, signal);
      if (known !== null && object.etag !== null && object.etag === known.row.etag) return toRevision(known.revision);
      return fetchAndPin(application, location, known?.row.description ?? '', caller, object);
    },

    /** @throws AppError `not_found` for the application or the revision */
    async get(application: string, location: RevisionLocation): Promise<LocatedRevision> {
      const found = await this.find(application, [location]);
      if (found[0] != null) return found[0];
      throw new AppError('not_found', `${application} has no revision that is registered at this location`, {
        details: { noun: 'revision' },
      });
    },

    /** One for each location, in their order; null where nothing is registered. */
    async find(application: string, locations: readonly RevisionLocation[]): Promise<(LocatedRevision | null)[]> {
      await applicationRow(database.query, application);
      const found: (LocatedRevision | null)[] = [];
      for (const asked of locations) {
        const place = (await newestFitting(application, asked)) ?? (await inOwnBucket(application, asked));
        found.push(place === null ? null : ((await toLocated(application, [place]))[0] ?? null));
      }
      return found;
    },

    /** A page of them. @throws AppError `not_found` for the application, `invalid` for a cursor that is none */
    async list(application: string, filter: LocationFilter, page: { cursor: string | undefined; limit: number }) {
      await applicationRow(database.query, application);
      const after = decodeCursor(placeCursor, page.cursor);
      const direction = filter.isDescending ? -1 : 1;
      const deployed = filter.deployed === 'ignore' ? null : await groupsByRevision(application);
      const found = (await placesOf(application))
        .filter((one) => deployed === null || deployed.has(one.revisionId) === (filter.deployed === 'include'))
        .filter((one) => fitsFilter(one.location, filter))
        .map((one) => ({ one, place: placeOf(one, filter.sortBy) }))
        .filter(({ place }) => after === null || direction * comparePlaces(place, after) > 0)
        .sort((a, b) => direction * comparePlaces(a.place, b.place));
      const { items, nextCursor } = toPage(
        found.slice(0, page.limit + 1),
        page.limit,
        ({ one }) => one,
        ({ place }) => place,
      );
      return { items: await toLocated(application, items), nextCursor };
    },

    /** Where revisions come from, by their ids: the newest location of each, Drover's own bucket when it has no other. */
    async locationsOf(revisionIds: readonly string[]): Promise<Map<string, RevisionLocation>> {
      const ids = [...new Set(revisionIds)];
      if (ids.length === 0) return new Map();
      const rows = await database.query.selectFrom('revisions').selectAll().where('id', 'in', ids).execute();
      const places = await database.query
        .selectFrom('revision_locations')
        .selectAll()
        .where('revision_id', 'in', ids)
        .orderBy('registered_at')
        .execute();
      const found = new Map<string, RevisionLocation>(rows.map((row) => [row.id, ownLocationOf(row)]));
      for (const place of places) found.set(place.revision_id, parseStoredLocation(place.location));
      return found;
    },
  };

  async function fetchAndPin(
    application: string,
    location: RevisionLocation,
    description: string,
    caller: Caller,
    object: LocatedObject,
  ): Promise<Revision> {
    const revision = await revisions.registerStream(
      application,
      {
        stream: await object.open(),
        bundleType: location.kind === 's3' ? location.bundleType : bundleTypeOfGitHub,
        description,
      },
      caller,
    );
    await note(application, location, { revisionId: revision.id, description, etag: object.etag });
    return revision;
  }

  async function note(
    application: string,
    location: RevisionLocation,
    { revisionId, description, etag }: { revisionId: string; description: string; etag: string | null },
  ): Promise<void> {
    const row: RevisionLocationRow = {
      application,
      location: storedLocation(location),
      revision_id: revisionId,
      description,
      etag,
      registered_at: clock.now(),
    };
    await database.query
      .insertInto('revision_locations')
      .values(row)
      .onConflict((conflict) =>
        conflict.columns(['application', 'location', 'revision_id']).doUpdateSet({
          description,
          registered_at: row.registered_at,
          ...(etag === null ? {} : { etag }),
        }),
      )
      .execute();
  }

  async function newestRow(
    application: string,
    location: RevisionLocation,
  ): Promise<{ row: RevisionLocationRow; revision: RevisionRow } | null> {
    const row = await database.query
      .selectFrom('revision_locations')
      .selectAll()
      .where('application', '=', application)
      .where('location', '=', storedLocation(location))
      .orderBy('registered_at', 'desc')
      .limit(1)
      .executeTakeFirst();
    if (row === undefined) return null;
    const revision = await database.query
      .selectFrom('revisions')
      .selectAll()
      .where('id', '=', row.revision_id)
      .executeTakeFirst();
    return revision === undefined ? null : { row, revision };
  }

  async function findExact(application: string, location: RevisionLocation): Promise<Revision | null> {
    const known = await newestRow(application, location);
    return known === null ? null : toRevision(known.revision);
  }

  /** @throws AppError `not_found` when a location in Drover's own bucket names no revision of the application */
  async function findOwn(application: string, location: RevisionLocation): Promise<Revision | null> {
    if (location.kind !== 's3' || location.bucket !== ownBucket) return null;
    const row = await database.query
      .selectFrom('revisions')
      .selectAll()
      .where('application', '=', application)
      .where('digest', '=', digestInKey(location.key) ?? '')
      .executeTakeFirst();
    if (row !== undefined) return toRevision(row);
    throw new AppError('not_found', `${application} has no revision ${location.key} in the bucket ${ownBucket}`, {
      hint: 'That bucket has what was pushed to Drover itself: drover push.',
      details: { noun: 'revision' },
    });
  }

  /** What is registered at the place, by the index: all that fit begin with the same text, up to what is left out. */
  async function newestFitting(application: string, asked: RevisionLocation): Promise<RegisteredPlace | null> {
    const [from, to] = rangeOfFitting(asked);
    const rows = await database.query
      .selectFrom('revision_locations')
      .selectAll()
      .where('application', '=', application)
      .where('location', '>=', from)
      .where('location', '<=', to)
      .orderBy('registered_at', 'desc')
      .execute();
    const newest = rows.find((row) => fitsLocation(asked, parseStoredLocation(row.location)));
    return newest === undefined ? null : registeredPlace(newest);
  }

  /** Also by the name of a bundle that Drover keeps, where the revision is registered elsewhere as well. */
  async function inOwnBucket(application: string, asked: RevisionLocation): Promise<RegisteredPlace | null> {
    const digest = asked.kind === 's3' && asked.bucket === ownBucket ? digestInKey(asked.key) : null;
    if (digest === null) return null;
    const { query } = database;
    const row = await query
      .selectFrom('revisions')
      .selectAll()
      .where('application', '=', application)
      .where('digest', '=', digest)
      .executeTakeFirst();
    if (row === undefined) return null;
    const newest = await query
      .selectFrom('revision_locations')
      .selectAll()
      .where('revision_id', '=', row.id)
      .where('application', '=', application)
      .orderBy('registered_at', 'desc')
      .limit(1)
      .executeTakeFirst();
    return newest === undefined ? ownPlace(row) : registeredPlace(newest);
  }

  /** All places of the newest revisions, with no more of each than a list is ordered and chosen by. */
  async function placesOf(application: string): Promise<(RegisteredPlace & UsedAt)[]> {
    const { query } = database;
    const rows = await query
      .selectFrom('revisions')
      .select([
        'id',
        'application',
        'digest',
        'bundle_type',
        'description',
        'registered_at',
        'first_used_at',
        'last_used_at',
      ])
      .where('application', '=', application)
      .orderBy('last_pushed_at', 'desc')
      .orderBy('id')
      .limit(MAX_LISTED)
      .execute();
    const registered = new Map<string, RegisteredPlace[]>();
    for (const place of await query
      .selectFrom('revision_locations')
      .selectAll()
      .where('application', '=', application)
      .execute()) {
      const own = registered.get(place.revision_id) ?? [];
      registered.set(place.revision_id, own);
      own.push(registeredPlace(place));
    }
    return rows.flatMap((row) => {
      const used = { firstUsedAt: row.first_used_at, lastUsedAt: row.last_used_at };
      return (registered.get(row.id) ?? [ownPlace(row)]).map((place) => ({ ...place, ...used }));
    });
  }

  async function groupsByRevision(application: string): Promise<Map<string, string[]>> {
    const groups = await database.query
      .selectFrom('deployment_groups')
      .select(['name', 'last_good_revision_id as revisionId'])
      .where('application', '=', application)
      .where('last_good_revision_id', 'is not', null)
      .orderBy('name')
      .execute();
    const byRevision = new Map<string, string[]>();
    for (const { name, revisionId } of groups)
      if (revisionId !== null) byRevision.set(revisionId, [...(byRevision.get(revisionId) ?? []), name]);
    return byRevision;
  }

  /** In their order, without those whose revision is gone meanwhile. */
  async function toLocated(application: string, places: readonly RegisteredPlace[]): Promise<LocatedRevision[]> {
    if (places.length === 0) return [];
    const ids = [...new Set(places.map(({ revisionId }) => revisionId))];
    const rows = await database.query.selectFrom('revisions').selectAll().where('id', 'in', ids).execute();
    const byId = new Map(rows.map((row) => [row.id, toRevision(row)]));
    const groups = await groupsByRevision(application);
    return places.flatMap(({ revisionId, location, description, registeredAt }) => {
      const revision = byId.get(revisionId);
      if (revision === undefined) return [];
      const deploymentGroups = groups.get(revisionId) ?? [];
      return [{ revision, location: parseStoredLocation(location), description, registeredAt, deploymentGroups }];
    });
  }

  function ownPlace(
    row: Pick<RevisionRow, 'id' | 'application' | 'digest' | 'bundle_type' | 'description' | 'registered_at'>,
  ): RegisteredPlace {
    return {
      revisionId: row.id,
      location: storedLocation(ownLocationOf(row)),
      description: row.description,
      registeredAt: row.registered_at,
    };
  }

  function ownLocationOf(row: Pick<RevisionRow, 'application' | 'digest' | 'bundle_type'>): RevisionLocation {
    return ownLocation(ownBucket, { application: row.application, digest: row.digest, bundleType: row.bundle_type });
  }
}
export type RevisionLocations = ReturnType<typeof createRevisionLocations>;

/** What a list is ordered by: by the time that is asked for, then by what no two of them have in common. */
const placeCursor = z.tuple([z.number(), z.string(), z.string()]);
type Place = z.infer<typeof placeCursor>;

function placeOf(one: RegisteredPlace & UsedAt, sortBy: LocationFilter['sortBy']): Place {
  const usedAt = { firstUsedTime: one.firstUsedAt, lastUsedTime: one.lastUsedAt };
  const time = sortBy === 'firstUsedTime' || sortBy === 'lastUsedTime' ? (usedAt[sortBy] ?? 0) : one.registeredAt;
  return [time, one.revisionId, one.location];
}

function registeredPlace(row: RevisionLocationRow): RegisteredPlace {
  const { revision_id: revisionId, location, description, registered_at: registeredAt } = row;
  return { revisionId, location, description, registeredAt };
}

function comparePlaces(a: Place, b: Place): number {
  if (a[0] !== b[0]) return a[0] - b[0];
  if (a[1] !== b[1]) return a[1] < b[1] ? -1 : 1;
  return a[2] === b[2] ? 0 : a[2] < b[2] ? -1 : 1;
}

function fitsFilter(stored: string, { bucket, keyPrefix }: LocationFilter): boolean {
  if (bucket === undefined && keyPrefix === undefined) return true;
  const location = parseStoredLocation(stored);
  if (location.kind !== 's3') return false;
  return (bucket === undefined || location.bucket === bucket) && location.key.startsWith(keyPrefix ?? '');
}

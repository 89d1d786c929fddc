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

interface Parts {
  database: Database;
  clock: Clock;
  revisions: Pick<Revisions, 'registerStream'>;
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
      if (own !== null) return own;
      const known = isPinned(location) ? await findExact(application, location) : null;
      if (known !== null) {
        await note(application, location, { revisionId: known.id, description, etag: null });
        return known;
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
      const all = await allOf(application);
      return locations.map((asked) => {
        const fitting = all.filter((one) => fitsLocation(asked, one.location));
        const ownDigest = asked.kind === 's3' && asked.bucket === ownBucket ? digestInKey(asked.key) : null;
        return (
          fitting.sort((a, b) => b.registeredAt - a.registeredAt)[0] ??
          all.find((one) => ownDigest !== null && one.revision.digest === ownDigest) ??
          null
        );
      });
    },

    /** A page of them. @throws AppError `not_found` for the application, `invalid` for a cursor that is none */
    async list(application: string, filter: LocationFilter, page: { cursor: string | undefined; limit: number }) {
      const after = decodeCursor(placeCursor, page.cursor);
      const direction = filter.isDescending ? -1 : 1;
      const rows = (await allOf(application))
        .filter((one) => fitsFilter(one, filter))
        .map((one) => ({ one, place: placeOf(one, filter.sortBy) }))
        .filter(({ place }) => after === null || direction * comparePlaces(place, after) > 0)
        .sort((a, b) => direction * comparePlaces(a.place, b.place));
      return toPage(
        rows.slice(0, page.limit + 1),
        page.limit,
        ({ one }) => one,
        ({ place }) => place,
      );
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

  async function allOf(application: string): Promise<LocatedRevision[]> {
    await applicationRow(database.query, application);
    const { query } = database;
    const rows = await query
      .selectFrom('revisions')
      .selectAll()
      .where('application', '=', application)
      .orderBy('registered_at', 'desc')
      .orderBy('id')
      .limit(MAX_LISTED)
      .execute();
    const places = await query
      .selectFrom('revision_locations')
      .selectAll()
      .where('application', '=', application)
      .orderBy('registered_at', 'desc')
      .execute();
    const groups = await query
      .selectFrom('deployment_groups')
      .select(['name', 'last_good_revision_id'])
      .where('application', '=', application)
      .where('last_good_revision_id', 'is not', null)
      .orderBy('name')
      .execute();
    return rows.flatMap((row) => {
      const revision = toRevision(row);
      const deploymentGroups = groups.filter((one) => one.last_good_revision_id === row.id).map((one) => one.name);
      const own = places.filter((place) => place.revision_id === row.id);
      const common = { revision, deploymentGroups };
      if (own.length === 0) {
        const { description, registeredAt } = revision;
        return [{ ...common, location: ownLocationOf(row), description, registeredAt }];
      }
      return own.map((place) => ({
        ...common,
        location: parseStoredLocation(place.location),
        description: place.description,
        registeredAt: place.registered_at,
      }));
    });
  }

  function ownLocationOf(row: RevisionRow): RevisionLocation {
    return ownLocation(ownBucket, { application: row.application, digest: row.digest, bundleType: row.bundle_type });
  }
}
export type RevisionLocations = ReturnType<typeof createRevisionLocations>;

/** What a list is ordered by: by the time that is asked for, then by what no two of them have in common. */
const placeCursor = z.tuple([z.number(), z.string(), z.string()]);
type Place = z.infer<typeof placeCursor>;

function placeOf({ revision, location, registeredAt }: LocatedRevision, sortBy: LocationFilter['sortBy']): Place {
  const usedAt = { firstUsedTime: revision.firstUsedAt, lastUsedTime: revision.lastUsedAt };
  const time = sortBy === 'firstUsedTime' || sortBy === 'lastUsedTime' ? (usedAt[sortBy] ?? 0) : registeredAt;
  return [time, revision.id, storedLocation(location)];
}

function comparePlaces(a: Place, b: Place): number {
  if (a[0] !== b[0]) return a[0] - b[0];
  if (a[1] !== b[1]) return a[1] < b[1] ? -1 : 1;
  return a[2] === b[2] ? 0 : a[2] < b[2] ? -1 : 1;
}

function fitsFilter({ location, deploymentGroups }: LocatedRevision, filter: LocationFilter): boolean {
  if (filter.bucket !== undefined && (location.kind !== 's3' || location.bucket !== filter.bucket)) return false;
  if (filter.keyPrefix !== undefined && (location.kind !== 's3' || !location.key.startsWith(filter.keyPrefix)))
    return false;
  return filter.deployed === 'ignore' || (filter.deployed === 'include') === deploymentGroups.length > 0;
}

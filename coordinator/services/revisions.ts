import type { Readable } from 'node:stream';
import * as z from 'zod';
import type { applicationRoutes } from '../../shared/api/applications.ts';
import { DETECT_BYTES, detectBundleType } from '../../shared/bundle/detect.ts';
import type { Clock } from '../../shared/core/clock.ts';
import { AppError } from '../../shared/core/errors.ts';
import { newRevisionId } from '../../shared/core/ids.ts';
import type { Randomness } from '../../shared/core/randomness.ts';
import { AGENT_APPLICATION } from '../../shared/model/agent-update.ts';
import type { BundleType, Revision } from '../../shared/model/revision.ts';
import { type Caller, callerName } from '../auth/caller.ts';
import { decodeCursor, toPage } from '../domain/cursor.ts';
import { refuseReserved } from '../domain/reserved-names.ts';
import type { RevisionStore } from '../revision-stores/revision-store.ts';
import type { Database, Queryable } from '../storage/database.ts';
import { applicationRow } from '../storage/rows/applications.ts';
import { insertAudit } from '../storage/rows/audit.ts';
import { findRevision, LATEST, toRevision } from '../storage/rows/revisions.ts';
import type { RevisionRow } from '../storage/tables.ts';

type Routes = typeof applicationRoutes;
type UploadQuery = z.output<Routes['uploadRevision']['query']>;
type RegisterBody = z.output<Routes['registerRevision']['body']>;
interface Parts {
  database: Database;
  clock: Clock;
  randomness: Randomness;
  store: RevisionStore;
  /** The bytes behind a URL. */
  fetchBundle(url: string, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>>;
  maxBundleBytes: number;
}
interface NewRevision {
  application: string;
  digest: string;
  sizeBytes: number;
  bundleType: string;
  label: string | undefined;
  description: string;
  sourceUrl: string | null;
}
const newestCursor = z.tuple([z.number(), z.string()]);

export function createRevisions({ database, clock, randomness, store, fetchBundle, maxBundleBytes }: Parts) {
  async function push(application: string, query: UploadQuery, bundle: Readable, caller: Caller): Promise<Revision> {
    // Before a byte is read: an upload that must be refused should not cost its time.
    await applicationRow(database.query, application);
    await checkLabel(database.query, application, query.label, query.digest);
    const stored = await store.put(bundle, { digest: query.digest, maxBytes: maxBundleBytes });
    return register({ ...query, ...stored, application, label: query.label, sourceUrl: null }, caller);
  }

  return {
    /** What was pushed last first, as `latest` means it: one that is pushed again goes to the beginning. */
    async list(application: string, query: z.output<Routes['listRevisions']['query']>) {
      const after = decodeCursor(newestCursor, query.cursor);
      await applicationRow(database.query, application);
      let select = database.query.selectFrom('revisions').selectAll().where('application', '=', application);
      if (query.digest !== undefined) select = select.where('digest', '=', query.digest);
      if (after !== null) {
        const [pushedAt, id] = after;
        select = select.where((where) =>
          where.or([
            where('last_pushed_at', '<', pushedAt),
            where.and([where('last_pushed_at', '=', pushedAt), where('id', '>', id)]),
          ]),
        );
      }
      const rows = await select
        .orderBy('last_pushed_at', 'desc')
        .orderBy('id')
        .limit(query.limit + 1)
        .execute();
      return toPage(rows, query.limit, toRevision, (row) => [row.last_pushed_at, row.id]);
    },

    async get(application: string, reference: string): Promise<Revision> {
      return toRevision(await findRevision(database.query, application, reference));
    },

    /**
     * A digest that the application has already answers with that revision, unchanged but for a type of archive that was said wrong. It
     * was pushed last from then on.
     * @throws AppError `not_found`, `conflict` for a label that another revision has and for the agent's application, `too_large`, `invalid` for other bytes
     */
    async upload(application: string, query: UploadQuery, bundle: Readable, caller: Caller): Promise<Revision> {
      refuseReserved(application);
      return push(application, query, bundle, caller);
    },

    /** A version of the agent, which the coordinator itself makes. Errors as in `upload`. */
    uploadAgent: (query: UploadQuery, bundle: Readable, caller: Caller) =>
      push(AGENT_APPLICATION, query, bundle, caller),

    /** Fetches the bundle now, pins its digest and keeps it. Errors as in `upload`, and `unavailable`. */
    async registerUrl(application: string, body: RegisterBody, caller: Caller, signal: AbortSignal): Promise<Revision> {
      refuseReserved(application);
      await applicationRow(database.query, application);
      await checkLabel(database.query, application, body.label, body.digest);
      const bundle = await fetchBundle(body.url, signal);
      const stored = await store.put(bundle, { digest: body.digest, maxBytes: maxBundleBytes });
      return register({ ...body, ...stored, application, label: body.label, sourceUrl: toldUrl(body.url) }, caller);
    },

    /** A bundle that comes from elsewhere, pinned and kept. Errors as in `upload`, and the stream's own. */
    async registerStream(
      application: string,
      bundle: { stream: AsyncIterable<Uint8Array>; bundleType: BundleType; description: string },
      caller: Caller,
    ): Promise<Revision> {
      const stored = await store.put(bundle.stream, { maxBytes: maxBundleBytes });
      const { bundleType, description } = bundle;
      return register({ ...stored, application, bundleType, description, label: undefined, sourceUrl: null }, caller);
    },

    /**
     * A bundle for a host that has to install it now.
     * @throws AppError `not_found` when no deployment in progress assigns it to the host, or when the store lost it
     */
    async openForHost(hostId: string, digest: string) {
      const assigned = await database.query
        .selectFrom('targets')
        .innerJoin('deployments', 'deployments.id', 'targets.deployment_id')
        .innerJoin('revisions', 'revisions.id', 'deployments.revision_id')
        .select('revisions.bundle_type')
        .where('targets.host_id', '=', hostId)
        .where('targets.status', '=', 'InProgress')
        .where('deployments.revision_digest', '=', digest)
        .limit(1)
        .executeTakeFirst();
      // The same answer for a bundle that is not there and one that is not the host's: it learns of neither.
      const sizeBytes = assigned === undefined ? null : await store.sizeOf(digest);
      if (assigned === undefined || sizeBytes === null)
        throw new AppError('not_found', `no deployment that runs assigns the bundle ${digest} to this host`);
      return {
        sizeBytes,
        // Only a BundleType is ever written there.
        bundleType: assigned.bundle_type as BundleType,
        path: () => store.pathOf(digest),
        open: (range: { start: number; end: number }) => store.open(digest, range),
      };
    },

    /** For who knows that the bundle is here, and does not send it again. Errors as in `get`, and `conflict` for the agent's application. */
    pushAgain(application: string, reference: string, caller: Caller): Promise<Revision> {
      refuseReserved(application);
      return database.transaction(async ({ query }) =>
        notePush(query, await findRevision(query, application, reference), caller),
      );
    },

    /** The bundle itself goes with the next retention. @throws AppError `not_found`, `conflict` while it is counted on */
    delete(application: string, reference: string, caller: Caller): Promise<void> {
      return database.transaction(async ({ query }) => {
        const row = await findRevision(query, application, reference);
        await checkUnused(query, row);
        await query.deleteFrom('revision_locations').where('revision_id', '=', row.id).execute();
        await query.deleteFrom('revisions').where('id', '=', row.id).execute();
        await insertAudit(query, {
          at: clock.now(),
          caller,
          action: 'revision.delete',
          subject: `${application}/${row.label}`,
          details: { revisionId: row.id, digest: row.digest },
        });
      });
    },
  };

  async function register(revision: NewRevision, caller: Caller): Promise<Revision> {
    const registered = await findOrInsert(revision, caller);
    return registered.bundleType === revision.bundleType ? registered : withTypeOfBytes(registered, revision, caller);
  }

  /** The same bytes were said to be an archive of another type: they tell which of the two no host could unpack. */
  async function withTypeOfBytes(known: Revision, { bundleType }: NewRevision, caller: Caller): Promise<Revision> {
    const beginning: Uint8Array[] = [];
    for await (const chunk of await store.open(known.digest, { start: 0, end: DETECT_BYTES - 1 }))
      beginning.push(chunk);
    if (detectBundleType(Buffer.concat(beginning)) !== bundleType) return known;
    return database.transaction(async ({ query }) => {
      await query.updateTable('revisions').set({ bundle_type: bundleType }).where('id', '=', known.id).execute();
      await insertAudit(query, {
        at: clock.now(),
        caller,
        action: 'revision.correct',
        subject: `${known.application}/${known.label}`,
        details: { revisionId: known.id, bundleType, before: known.bundleType },
      });
      return { ...known, bundleType };
    });
  }

  function findOrInsert(revision: NewRevision, caller: Caller): Promise<Revision> {
    const { application, digest } = revision;
    return database.transaction(async ({ query }) => {
      await applicationRow(query, application);
      const known = await byDigest(query, application, digest);
      if (known !== undefined) return notePush(query, known, caller);
      await checkLabel(query, application, revision.label, digest);
      const now = clock.now();
      const row: RevisionRow = {
        id: newRevisionId(randomness),
        application,
        label: revision.label ?? (await freeLabel(query, application, digest, now)),
        digest,
        bundle_type: revision.bundleType,
        size_bytes: revision.sizeBytes,
        source_url: revision.sourceUrl,
        description: revision.description,
        registered_at: now,
        registered_by: callerName(caller),
        last_pushed_at: now,
        first_used_at: null,
        last_used_at: null,
      };
      await query.insertInto('revisions').values(row).execute();
      await insertAudit(query, {
        at: now,
        caller,
        action: 'revision.register',
        subject: `${application}/${row.label}`,
        details: { revisionId: row.id, digest, sizeBytes: row.size_bytes, sourceUrl: row.source_url },
      });
      return toRevision(row);
    });
  }

  /** Who pushes it means to use it, and means it by `latest`. */
  async function notePush(query: Queryable, row: RevisionRow, caller: Caller): Promise<Revision> {
    const now = clock.now();
    await query.updateTable('revisions').set({ last_pushed_at: now }).where('id', '=', row.id).execute();
    await insertAudit(query, {
      at: now,
      caller,
      action: 'revision.push',
      subject: `${row.application}/${row.label}`,
      details: { revisionId: row.id, digest: row.digest },
    });
    return toRevision({ ...row, last_pushed_at: now });
  }
}
export type Revisions = ReturnType<typeof createRevisions>;

/** Of the address only what is no secret: viewers see it, and the audit record keeps it for ever. */
function toldUrl(text: string): string {
  const { origin, pathname } = new URL(text);
  return `${origin}${pathname}`;
}

function byDigest(query: Queryable, application: string, digest: string) {
  return query
    .selectFrom('revisions')
    .selectAll()
    .where('application', '=', application)
    .where('digest', '=', digest)
    .executeTakeFirst();
}

async function checkLabel(
  query: Queryable,
  application: string,
  label: string | undefined,
  digest: string | undefined,
): Promise<void> {
  if (label === undefined) return;
  if (label === LATEST)
    throw new AppError(
      'invalid',
      `label: ${LATEST} always means the revision that was pushed last and cannot be a label`,
    );
  const other = await query
    .selectFrom('revisions')
    .select(['id', 'digest'])
    .where('application', '=', application)
    .where('label', '=', label)
    .executeTakeFirst();
  if (other === undefined || other.digest === digest) return;
  throw new AppError('conflict', `${application} has a revision ${label} already, with other contents`, {
    hint: 'A label never moves: choose another one.',
    details: { revisionId: other.id, digest: other.digest },
  });
}

/** The day and the beginning of the digest, for instance `20261122-1f0c2d3e`. */
async function freeLabel(query: Queryable, application: string, digest: string, now: number): Promise<string> {
  const day = new Date(now).toISOString().slice(0, 10).replaceAll('-', '');
  const short = `${day}-${digest.slice(0, 8)}`;
  const taken = await query
    .selectFrom('revisions')
    .select('id')
    .where('application', '=', application)
    .where('label', '=', short)
    .executeTakeFirst();
  return taken === undefined ? short : `${day}-${digest}`;
}

async function checkUnused(query: Queryable, row: RevisionRow): Promise<void> {
  const group = await query
    .selectFrom('deployment_groups')
    .select('name')
    .where('last_good_revision_id', '=', row.id)
    .limit(1)
    .executeTakeFirst();
  if (group !== undefined)
    throw new AppError(
      'conflict',
      `${row.application}/${group.name} counts on ${row.label} for rollbacks and new hosts`,
      {
        hint: 'Deploy another revision to the group first.',
      },
    );
  const active = await query
    .selectFrom('deployments')
    .select('id')
    .where('revision_id', '=', row.id)
    .where('is_active', '=', 1)
    .limit(1)
    .executeTakeFirst();
  if (active !== undefined)
    throw new AppError('conflict', `${active.id} is deploying ${row.label} now`, {
      hint: `Wait for its end, or stop it: drover stop ${active.id}`,
      details: { activeDeploymentId: active.id },
    });
}

import { AppError } from '../../../shared/core/errors.ts';
import { type Revision, revision } from '../../../shared/model/revision.ts';
import { nearNamesHint } from '../../domain/near-names.ts';
import type { Queryable } from '../database.ts';
import type { RevisionRow } from '../tables.ts';
import { applicationRow } from './applications.ts';

/** The revision that was pushed last, in place of a name. No revision may have it as its label. */
export const LATEST = 'latest';
const DIGEST_PREFIX = /^(?:sha256:)?([0-9a-f]{8,64})$/i;
/** How many labels are looked at for a hint. */
const HINT_LABELS = 100;

export function toRevision(row: RevisionRow): Revision {
  return {
    id: row.id,
    application: row.application,
    label: row.label,
    digest: row.digest,
    bundleType: revision.shape.bundleType.parse(row.bundle_type),
    sizeBytes: row.size_bytes,
    source: row.source_url === null ? { kind: 'uploaded' } : { kind: 'url', url: row.source_url },
    description: row.description,
    registeredAt: row.registered_at,
    registeredBy: row.registered_by,
    lastPushedAt: row.last_pushed_at,
    firstUsedAt: row.first_used_at,
    lastUsedAt: row.last_used_at,
  };
}

/**
 * The revision that a person means by `reference`: `latest`, an id, a label, or 8 and more digits of the digest, tried in
 * this order.
 * @throws AppError `not_found` (with near labels as a hint), `conflict` when a digest prefix fits several
 */
export async function findRevision(query: Queryable, application: string, reference: string): Promise<RevisionRow> {
  await applicationRow(query, application);
  const ofApplication = query.selectFrom('revisions').selectAll().where('application', '=', application);
  if (reference === LATEST) {
    const newest = await ofApplication.orderBy('last_pushed_at', 'desc').orderBy('id').limit(1).executeTakeFirst();
    if (newest !== undefined) return newest;
    throw new AppError('not_found', `${application} has no revision yet`, {
      details: { noun: 'revision' },
      hint: `Push one: drover push <directory or archive> --app ${application}`,
    });
  }
  const named =
    (await ofApplication.where('id', '=', reference).executeTakeFirst()) ??
    (await ofApplication.where('label', '=', reference).executeTakeFirst());
  if (named !== undefined) return named;
  const prefix = digestPrefixIn(reference);
  if (prefix !== null) {
    // `g` follows `f`: the range of all digests that begin with the prefix, by the index.
    const matching = await ofApplication
      .where('digest', '>=', prefix)
      .where('digest', '<', `${prefix}g`)
      .limit(2)
      .execute();
    const [only, another] = matching;
    if (only !== undefined && another === undefined) return only;
    if (only !== undefined)
      throw new AppError('conflict', `several revisions of ${application} have a digest that begins with ${prefix}`, {
        hint: 'Give more digits, the label or the id.',
      });
  }
  throw new AppError('not_found', `${application} has no revision ${reference}`, {
    details: { noun: 'revision' },
    hint: nearNamesHint(
      reference,
      await newestLabels(query, application),
      `Push one: drover push <directory or archive> --app ${application}`,
    ),
  });
}

/** The digits of a digest that a reference may mean; null when they are too few, or none. */
export function digestPrefixIn(reference: string): string | null {
  return DIGEST_PREFIX.exec(reference)?.[1]?.toLowerCase() ?? null;
}

async function newestLabels(query: Queryable, application: string): Promise<string[]> {
  const rows = await query
    .selectFrom('revisions')
    .select('label')
    .where('application', '=', application)
    .orderBy('last_pushed_at', 'desc')
    .orderBy('id')
    .limit(HINT_LABELS)
    .execute();
  return rows.map((row) => row.label);
}

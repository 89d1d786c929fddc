import * as z from 'zod';
import { bundleType, digest } from '../../shared/model/revision.ts';

/** Source for the bounds: Amazon S3 User Guide, bucket naming rules and object keys. */
export const s3BucketName = z.string().min(3).max(255);
const MAX_KEY = 1_024;
/** What keys begin with; nothing at all fits every key. */
export const s3KeyPrefix = z.string().max(MAX_KEY);

/**
 * Where a revision comes from, in CodeDeploy's terms. Source: CodeDeploy API Reference, RevisionLocation. A location with a
 * version, an ETag or a commit names the same bytes for ever; one without names whatever is there when it is looked at.
 */
export const revisionLocation = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('s3'),
    bucket: s3BucketName,
    key: z.string().min(1).max(MAX_KEY),
    bundleType,
    version: z.string().min(1).max(1_024).nullable(),
    /** Without quotes. */
    etag: z.string().min(1).max(255).nullable(),
  }),
  z.object({
    kind: z.literal('github'),
    repository: z
      .string()
      .max(255)
      .regex(/^[A-Za-z0-9][A-Za-z0-9._-]*\/[A-Za-z0-9._-]+$/, 'owner/name'),
    commitId: z.string().regex(/^[0-9a-f]{40}$/, 'a full commit id, 40 lower-case hex digits'),
  }),
]);
export type RevisionLocation = z.infer<typeof revisionLocation>;
export type S3Location = Extract<RevisionLocation, { kind: 's3' }>;
export type GitHubLocation = Extract<RevisionLocation, { kind: 'github' }>;

/** As it is stored: keys in one order, so that the same location is the same text. */
export function storedLocation(location: RevisionLocation): string {
  return location.kind === 's3'
    ? JSON.stringify({
        kind: location.kind,
        bucket: location.bucket,
        key: location.key,
        bundleType: location.bundleType,
        version: location.version,
        etag: location.etag,
      })
    : JSON.stringify({ kind: location.kind, repository: location.repository, commitId: location.commitId });
}

/** @throws what is not a text that {@link storedLocation} made */
export function parseStoredLocation(text: string): RevisionLocation {
  return revisionLocation.parse(JSON.parse(text));
}

/** True when it names the same bytes for ever. */
export function isPinned(location: RevisionLocation): boolean {
  return location.kind === 'github' || location.version !== null || location.etag !== null;
}

/** The same place, and nothing that is said of its contents differs: what is left out in `asked` fits anything. */
export function fitsLocation(asked: RevisionLocation, stored: RevisionLocation): boolean {
  if (asked.kind !== 's3' || stored.kind !== 's3') return storedLocation(asked) === storedLocation(stored);
  const agrees = (a: string | null, b: string | null) => a === null || b === null || a === b;
  return (
    asked.bucket === stored.bucket &&
    asked.key === stored.key &&
    asked.bundleType === stored.bundleType &&
    agrees(asked.version, stored.version) &&
    agrees(asked.etag, stored.etag)
  );
}

/**
 * First and last text that {@link storedLocation} may have made of a location that {@link fitsLocation fits}, in the order of their
 * characters: others are between them, so that those have to be asked.
 */
export function rangeOfFitting(asked: RevisionLocation): [from: string, to: string] {
  const exact = storedLocation(asked);
  if (asked.kind !== 's3') return [exact, exact];
  const common = storedLocation({ ...asked, version: null, etag: null }).replace(/"version":null,"etag":null}$/, '');
  // All that follows in one is `"version":`, and `#` comes behind `"`.
  return [common, `${common}#`];
}

/** A bundle that Drover itself keeps, as an object in a bucket, so that every revision has a location. */
export function ownLocation(
  bucket: string,
  revision: { application: string; digest: string; bundleType: string },
): S3Location {
  return {
    kind: 's3',
    bucket,
    key: `${revision.application}/${revision.digest}.${revision.bundleType}`,
    bundleType: bundleType.parse(revision.bundleType),
    version: null,
    etag: null,
  };
}

/** The digest that an object's key in Drover's own bucket names, or null when it names none. */
export function digestInKey(key: string): string | null {
  const name = /(?:^|\/)([0-9a-f]{64})\.(?:tar|tgz|zip)$/.exec(key)?.[1];
  return digest.safeParse(name).success ? (name ?? null) : null;
}

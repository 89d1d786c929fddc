import { createWriteStream } from 'node:fs';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { S3Client } from '@aws-sdk/client-s3';
import { CommandFailure } from '../exit-codes.ts';
import { awsFailure, errorName } from './aws-failure.ts';
import type { AwsAccess } from './codedeploy-source.ts';
import { type Remark, remark } from './import-item.ts';
import type { S3Place } from './revisions.ts';

/** Bundles of the account's revisions, where S3 can be reached with the same credentials or those of another profile. */
export interface S3Bundles {
  /** Its size, or why it cannot be read. */
  look(place: S3Place): Promise<{ sizeBytes: number } | Remark>;
  /** @throws CommandFailure */
  fetch(
    place: S3Place,
    toPath: string,
    options: { signal: AbortSignal; onProgress: (readBytes: number) => void },
  ): Promise<void>;
  close(): void;
}

const MAX_ATTEMPTS = 5;
const CONNECT_TIMEOUT_MS = 10_000;
/** Silence of a download. */
const IDLE_TIMEOUT_MS = 60_000;

/** The client is loaded when the first bundle is looked for. */
export function openS3Bundles(access: AwsAccess): S3Bundles {
  let loading: Promise<{ sdk: typeof import('./aws-sdk.ts'); client: S3Client }> | undefined;
  const load = () => {
    loading ??= import('./aws-sdk.ts').then((sdk) => ({ sdk, client: clientOf(sdk, access) }));
    return loading;
  };
  return {
    async look(place) {
      const { sdk, client } = await load();
      try {
        const head = await client.send(new sdk.HeadObjectCommand(requestOf(place)));
        return isAnother(head.ETag, place) ? OVERWRITTEN : { sizeBytes: head.ContentLength ?? 0 };
      } catch (error) {
        return problemOf(error);
      }
    },
    async fetch(place, toPath, { signal, onProgress }) {
      const { sdk, client } = await load();
      try {
        const { Body, ETag } = await client.send(new sdk.GetObjectCommand(requestOf(place)), {
          abortSignal: signal,
        });
        if (isAnother(ETag, place)) throw new CommandFailure('refused', OVERWRITTEN.text);
        let readBytes = 0;
        // In Node the SDK's body is a stream of bytes; its type also has the browser's.
        const body = Body as unknown as Readable;
        body.on('data', (chunk: Buffer) => {
          readBytes += chunk.length;
          onProgress(readBytes);
        });
        await pipeline(body, createWriteStream(toPath, { mode: 0o600 }), { signal });
      } catch (error) {
        throw error instanceof CommandFailure ? error : new CommandFailure('unreachable', problemOf(error).text);
      }
    },
    close() {
      void loading?.then(({ client }) => client.destroy());
    },
  };
}

function clientOf(sdk: typeof import('./aws-sdk.ts'), access: AwsAccess): S3Client {
  const { profile, region, endpointUrl } = access;
  return new sdk.S3Client({
    ...(profile === undefined ? {} : { profile }),
    ...(region === undefined ? {} : { region }),
    ...(endpointUrl === undefined ? {} : { endpoint: endpointUrl, forcePathStyle: true }),
    // A bucket may be in another region than the applications.
    followRegionRedirects: true,
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    maxAttempts: MAX_ATTEMPTS,
    requestHandler: { connectionTimeout: CONNECT_TIMEOUT_MS, socketTimeout: IDLE_TIMEOUT_MS },
  });
}

const OVERWRITTEN = remark('overwritten', 'the object was overwritten since it was registered');

/** Not every store heeds the condition of a request. */
function isAnother(etag: string | undefined, place: S3Place): boolean {
  const bare = (text: string) => text.replaceAll('"', '');
  return place.etag !== undefined && etag !== undefined && bare(etag) !== bare(place.etag);
}

/** What was registered, and not what has taken its place since. */
function requestOf({ bucket, key, version, etag }: S3Place) {
  return {
    Bucket: bucket,
    Key: key,
    ...(version === undefined ? {} : { VersionId: version }),
    ...(etag === undefined ? {} : { IfMatch: etag.startsWith('"') ? etag : `"${etag}"` }),
  };
}

function problemOf(error: unknown): Remark {
  const status = (error as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode;
  if (status === 404 || /NoSuch|NotFound/.test(errorName(error)))
    return remark('gone', 'the object is not in S3 any more');
  if (status === 412) return OVERWRITTEN;
  if (status === 403) return remark('not-permitted', 'S3 refuses it: s3:GetObject is needed');
  return remark('s3', awsFailure(error, 's3:GetObject').message);
}

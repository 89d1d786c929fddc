import type { S3Client } from '@aws-sdk/client-s3';
import { AppError, errorMessage } from '../../shared/core/errors.ts';
import type { S3Location } from '../domain/revision-location.ts';

export interface S3Settings {
  /** Null: AWS itself. */
  endpoint: string | null;
  region: string;
  accessKeyId: string;
  secretAccessKey: string;
  /** The bucket in the path instead of the host name, as most stores beside AWS's want it. */
  forcePathStyle: boolean;
  /** Silence after which a request is given up, ms. */
  idleTimeoutMs: number;
}

export interface S3Source {
  /**
   * Looks at an object: its ETag, and how to read these very bytes.
   * @throws AppError `invalid` when it is not there or has another ETag than the location says; `unavailable` when the
   * store cannot be reached or refuses
   */
  locate(
    location: S3Location,
    signal: AbortSignal,
  ): Promise<{ etag: string | null; open(): Promise<AsyncIterable<Uint8Array>> }>;
}

/** Bundles in a store that speaks S3. The client is loaded at the first use: it is large, and many never need it. */
export function createS3Source(settings: S3Settings): S3Source {
  let loading: Promise<{ client: S3Client; sdk: typeof import('@aws-sdk/client-s3') }> | null = null;
  const load = () => {
    loading ??= import('@aws-sdk/client-s3').then((sdk) => ({ sdk, client: clientOf(sdk, settings) }));
    return loading;
  };
  return {
    async locate(location, signal) {
      const { client, sdk } = await load();
      const version = location.version === null ? {} : { VersionId: location.version };
      const place = { Bucket: location.bucket, Key: location.key, ...version };
      const options = { abortSignal: signal };
      const head = await client
        .send(new sdk.HeadObjectCommand(place), options)
        .catch((error: unknown) => Promise.reject(storeError(location, error)));
      const etag = withoutQuotes(head.ETag);
      if (location.etag !== null && etag !== null && etag !== location.etag)
        throw new AppError('invalid', `${nameOf(location)} has the ETag ${etag}, not ${location.etag}`, {
          hint: 'The object was replaced: register it again with its present ETag, or name its version.',
        });
      return {
        etag,
        async open() {
          const match = head.ETag === undefined ? {} : { IfMatch: head.ETag };
          const object = await client
            .send(new sdk.GetObjectCommand({ ...place, ...match }), options)
            .catch((error: unknown) => Promise.reject(storeError(location, error)));
          // In Node the SDK's body is a stream of bytes; its type also has the browser's.
          return told(object.Body as unknown as AsyncIterable<Uint8Array>, location);
        },
      };
    },
  };
}

function clientOf(sdk: typeof import('@aws-sdk/client-s3'), settings: S3Settings): S3Client {
  return new sdk.S3Client({
    ...(settings.endpoint === null ? {} : { endpoint: settings.endpoint }),
    region: settings.region,
    forcePathStyle: settings.forcePathStyle,
    credentials: { accessKeyId: settings.accessKeyId, secretAccessKey: settings.secretAccessKey },
    // Stores beside AWS's often know no checksums; the bundle's digest is what counts.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    maxAttempts: 3,
    requestHandler: { connectionTimeout: settings.idleTimeoutMs, socketTimeout: settings.idleTimeoutMs },
  });
}

async function* told(body: AsyncIterable<Uint8Array>, location: S3Location): AsyncGenerator<Uint8Array> {
  try {
    yield* body;
  } catch (error) {
    throw storeError(location, error);
  }
}

function storeError(location: S3Location, error: unknown): AppError {
  const name = error instanceof Error ? error.name : '';
  const status = statusOf(error);
  if (status === 404 || name === 'NoSuchKey' || name === 'NotFound' || name === 'NoSuchBucket')
    return new AppError('invalid', `there is no ${nameOf(location)}`, {
      cause: error,
      hint: 'Bucket, key and version are looked up in the store that the coordinator is configured for (s3.endpoint).',
    });
  if (status === 412)
    return new AppError('unavailable', `${nameOf(location)} was replaced while it was fetched`, { cause: error });
  return new AppError(
    'unavailable',
    `fetching ${nameOf(location)}: ${name === '' ? '' : `${name}: `}${errorMessage(error)}`,
    {
      cause: error,
      hint: status === 403 ? "May the coordinator's access key (s3.accessKeyId) read it?" : undefined,
    },
  );
}

function nameOf(location: S3Location): string {
  return `s3://${location.bucket}/${location.key}${location.version === null ? '' : ` (version ${location.version})`}`;
}

function withoutQuotes(etag: string | undefined): string | null {
  return etag === undefined ? null : etag.replaceAll('"', '');
}

function statusOf(error: unknown): number | undefined {
  if (typeof error !== 'object' || error === null || !('$metadata' in error)) return undefined;
  const metadata = error.$metadata as { httpStatusCode?: number } | undefined;
  return metadata?.httpStatusCode;
}

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import S3rver from 's3rver';

/** Key and secret that the server knows, both this text. */
const CREDENTIAL = 'S3RVER';

export interface TestS3 {
  endpoint: string;
  bucket: string;
  /** What the coordinator's configuration says of it, but for the file with the secret. */
  settings: { endpoint: string; region: string; accessKeyId: string; forcePathStyle: boolean };
  secret: string;
  /** The object's ETag, without quotes. */
  put(key: string, bytes: Uint8Array): Promise<string>;
  stop(): Promise<void>;
}

/** A server that speaks S3's protocol, on a free port of 127.0.0.1, with one bucket. */
export async function startS3(bucket = 'bundles'): Promise<TestS3> {
  const directory = await mkdtemp(join(tmpdir(), 'drover-s3-'));
  const server = new S3rver({
    address: '127.0.0.1',
    port: 0,
    silent: true,
    directory,
    configureBuckets: [{ name: bucket, configs: [] }],
  });
  const { port } = await server.run();
  const endpoint = `http://127.0.0.1:${port}`;
  const settings = { endpoint, region: 'us-east-1', accessKeyId: CREDENTIAL, forcePathStyle: true };
  const client = new S3Client({
    ...settings,
    credentials: { accessKeyId: CREDENTIAL, secretAccessKey: CREDENTIAL },
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
  });
  return {
    endpoint,
    bucket,
    settings,
    secret: CREDENTIAL,
    async put(key, bytes) {
      const { ETag } = await client.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: bytes }));
      return (ETag ?? '').replaceAll('"', '');
    },
    async stop() {
      client.destroy();
      await server.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

import { createHash, createHmac } from 'node:crypto';
import { SignatureV4 } from '@smithy/signature-v4';
import { NodeSha256 } from '../../coordinator/notifications/node-sha256.ts';

export interface AccessKeyPair {
  accessKeyId: string;
  secretAccessKey: string;
}

/** Sends requests as AWS's tools do: signed by the library that AWS's own SDK signs with. */
export function signedFetch(
  options: AccessKeyPair & { url: string; service: string; region?: string },
): (method: string, path: string, rest?: SignedRest) => Promise<Response> {
  const { accessKeyId, secretAccessKey, service } = options;
  const signer = new SignatureV4({
    service,
    region: options.region ?? 'us-east-1',
    applyChecksum: true,
    uriEscapePath: service !== 's3',
    credentials: { accessKeyId, secretAccessKey },
    sha256: NodeSha256,
  });
  const base = new URL(options.url);
  return async (method, path, { headers = {}, body, signal } = {}) => {
    const signed = await signer.sign({
      method,
      protocol: base.protocol,
      hostname: base.hostname,
      path,
      query: {},
      headers: { host: base.host, ...headers },
      body: body ?? '',
    });
    const { host: _host, ...sent } = signed.headers;
    return fetch(new URL(path, base), {
      method,
      headers: sent,
      ...(body === undefined ? {} : { body }),
      ...(signal === undefined ? {} : { signal }),
    });
  };
}

interface SignedRest {
  headers?: Record<string, string>;
  body?: string;
  signal?: AbortSignal;
}

/**
 * A request to CodeDeploy's API, signed by hand over the few headers that have to be: nothing looks at what is sent, and many of
 * these are sent.
 * @returns the answer's JSON; fails when there is none in time
 */
export async function sendPlainlySigned(
  to: { url: string; key: AccessKeyPair; hangsAfterMs: number },
  operation: string,
  body: string,
): Promise<{ status: number; answer: unknown }> {
  const at = `${new Date().toISOString().replaceAll(/[-:]/g, '').slice(0, 15)}Z`;
  const target = `CodeDeploy_20141006.${operation}`;
  const names = 'host;x-amz-date;x-amz-target';
  const scope = `${at.slice(0, 8)}/us-east-1/codedeploy/aws4_request`;
  const sha = (text: string) => createHash('sha256').update(text).digest('hex');
  const lines = `host:${new URL(to.url).host}\nx-amz-date:${at}\nx-amz-target:${target}\n`;
  const text = `AWS4-HMAC-SHA256\n${at}\n${scope}\n${sha(`POST\n/\n\n${lines}\n${names}\n${sha(body)}`)}`;
  const signingKey = scope
    .split('/')
    .reduce<Buffer>(
      (last, part) => createHmac('sha256', last).update(part).digest(),
      Buffer.from(`AWS4${to.key.secretAccessKey}`),
    );
  const signature = createHmac('sha256', signingKey).update(text).digest('hex');
  const response = await fetch(to.url, {
    method: 'POST',
    body,
    headers: {
      'x-amz-date': at,
      'x-amz-target': target,
      authorization: `AWS4-HMAC-SHA256 Credential=${to.key.accessKeyId}/${scope}, SignedHeaders=${names}, Signature=${signature}`,
    },
    signal: AbortSignal.timeout(to.hangsAfterMs),
  });
  const json = await response.text();
  return { status: response.status, answer: json === '' ? {} : JSON.parse(json) };
}

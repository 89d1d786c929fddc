import { createHash, createHmac, type Hmac } from 'node:crypto';
import { SignatureV4 } from '@smithy/signature-v4';

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

class NodeSha256 {
  readonly #hash: Hmac | ReturnType<typeof createHash>;
  constructor(secret?: string | ArrayBuffer | ArrayBufferView) {
    this.#hash = secret === undefined ? createHash('sha256') : createHmac('sha256', toBytes(secret));
  }
  update(data: string | ArrayBuffer | ArrayBufferView): void {
    this.#hash.update(toBytes(data));
  }
  async digest(): Promise<Uint8Array> {
    return this.#hash.digest();
  }
  reset(): void {}
}

function toBytes(data: string | ArrayBuffer | ArrayBufferView): Uint8Array {
  if (typeof data === 'string') return Buffer.from(data, 'utf8');
  return ArrayBuffer.isView(data)
    ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
    : new Uint8Array(data);
}

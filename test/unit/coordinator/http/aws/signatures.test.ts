import { createHash, createHmac } from 'node:crypto';
import { expect } from 'chai';
import type { SignedRequest } from '../../../../../coordinator/auth/sigv4.ts';
import { AUTH_EXCEPTIONS, createSignatures, signedRequestOf } from '../../../../../coordinator/http/aws/signatures.ts';
import type { FoundAccessKey } from '../../../../../coordinator/services/access-keys.ts';

const NOW = Date.UTC(2026, 10, 26, 12, 0, 0);

describe('who signed a request', () => {
  const uses: string[] = [];
  const keyOf = (id: string, fields: Partial<FoundAccessKey> = {}): FoundAccessKey => ({
    secretAccessKey: `secret of ${id}`,
    sessionToken: null,
    hasExpired: false,
    callerFrom: (remoteAddress) => ({ kind: 'operator', name: id, role: 'viewer', remoteAddress }),
    noteUse: () => uses.push(id),
    ...fields,
  });
  const keys: Record<string, FoundAccessKey> = {
    LASTING: keyOf('LASTING'),
    EXPIRED: keyOf('EXPIRED', { hasExpired: true }),
    SESSION: keyOf('SESSION', { sessionToken: 'token-1' }),
  };
  const signatures = createSignatures({ clock: { now: () => NOW }, findAccessKey: async (id) => keys[id] ?? null });
  const outcome = async (id: string, token?: string, secret = `secret of ${id}`) => {
    const request = signed(id, secret, token);
    const result = await signatures.authenticate(request, { services: ['codedeploy'], remoteAddress: '192.0.2.1' });
    return result.ok ? result.caller : AUTH_EXCEPTIONS[result.failure.kind];
  };

  it('is the holder of the key, whose use is noted', async () => {
    expect(await outcome('LASTING')).to.deep.equal({
      kind: 'operator',
      name: 'LASTING',
      role: 'viewer',
      remoteAddress: '192.0.2.1',
    });
    expect(uses).to.deep.equal(['LASTING']);
  });

  it('is nobody without a known key, or with another secret', async () => {
    expect(await outcome('UNKNOWN')).to.equal('UnrecognizedClientException');
    expect(await outcome('LASTING', undefined, 'another')).to.equal('InvalidSignatureException');
  });

  it('brings the session token that belongs to the key, and none that does not', async () => {
    expect(await outcome('SESSION', 'token-1')).to.have.property('name', 'SESSION');
    expect(await outcome('SESSION', 'token-2')).to.equal('UnrecognizedClientException');
    expect(await outcome('SESSION')).to.equal('UnrecognizedClientException');
    expect(await outcome('LASTING', 'token-1')).to.equal('UnrecognizedClientException');
  });

  it('is nobody any more when the key has expired, which is told only to who has the secret', async () => {
    expect(await outcome('EXPIRED')).to.equal('ExpiredTokenException');
    expect(await outcome('EXPIRED', undefined, 'another')).to.equal('InvalidSignatureException');
  });
});

describe('what is signed of a request', () => {
  it('is what came over the wire, repeated headers one by one', () => {
    const raw = {
      method: 'GET',
      url: '/bucket/a%20b?x=1&y',
      rawHeaders: ['Host', 'a', 'X-Amz-Meta', '1', 'x-amz-meta', '2'],
    };
    expect(signedRequestOf({ raw }, Buffer.from('body'))).to.deep.equal({
      method: 'GET',
      path: '/bucket/a%20b',
      query: 'x=1&y',
      headers: [
        ['Host', 'a'],
        ['X-Amz-Meta', '1'],
        ['x-amz-meta', '2'],
      ],
      body: Buffer.from('body'),
    });
  });
});

/** Signed by the book, in few lines: an empty POST / for CodeDeploy. */
function signed(id: string, secret: string, token?: string): SignedRequest {
  const headers: [string, string][] = [
    ['host', 'drover.example'],
    ['x-amz-date', '20261126T120000Z'],
    ...(token === undefined ? [] : [['x-amz-security-token', token] as [string, string]]),
  ];
  const names = headers.map(([name]) => name).join(';');
  const sha = (text: string) => createHash('sha256').update(text).digest('hex');
  const lines = headers.map(([name, value]) => `${name}:${value}\n`).join('');
  const canonical = `POST\n/\n\n${lines}\n${names}\n${sha('')}`;
  const scope = '20261126/us-east-1/codedeploy/aws4_request';
  const key = scope
    .split('/')
    .reduce<Buffer>((last, part) => createHmac('sha256', last).update(part).digest(), Buffer.from(`AWS4${secret}`));
  const text = `AWS4-HMAC-SHA256\n20261126T120000Z\n${scope}\n${sha(canonical)}`;
  const signature = createHmac('sha256', key).update(text).digest('hex');
  const authorization = `AWS4-HMAC-SHA256 Credential=${id}/${scope}, SignedHeaders=${names}, Signature=${signature}`;
  return {
    method: 'POST',
    path: '/',
    query: '',
    headers: [...headers, ['authorization', authorization]],
    body: Buffer.of(),
  };
}

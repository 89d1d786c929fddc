import { createHash, createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { SignatureV4 } from '@smithy/signature-v4';
import { expect } from 'chai';
import { checkClaim, readClaim, type SignedRequest } from '../../../../coordinator/auth/sigv4.ts';

const SECRET = 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY';
const NOW = Date.UTC(2015, 7, 30, 12, 36, 0);

interface Check {
  secret?: string;
  now?: number;
  services?: readonly string[];
}

/** `ok`, or the kind of failure. */
function verify(request: SignedRequest, { secret = SECRET, now = NOW, services = ['service'] }: Check = {}): string {
  const read = readClaim(request);
  if (!read.ok) return read.failure.kind;
  const checked = checkClaim(read.claim, request, { secretAccessKey: secret, now, services });
  return checked.ok ? 'ok' : checked.failure.kind;
}

function messageOf(request: SignedRequest, check: { now: number; services?: readonly string[] }): string {
  const read = readClaim(request);
  if (!read.ok) return read.failure.message;
  const { services = ['service'] } = check;
  const checked = checkClaim(read.claim, request, { secretAccessKey: SECRET, now: check.now, services });
  return checked.ok ? '' : checked.failure.message;
}

/** A request of AWS's published Signature Version 4 test suite: same key, date and host in each. */
function fromSuite(method: string, target: string, signature: string, extra: [string, string][] = []): SignedRequest {
  const [path = '', query = ''] = target.split('?');
  const names = ['host', 'x-amz-date', ...extra.map(([name]) => name.toLowerCase())];
  const signedHeaders = [...new Set(names)].sort().join(';');
  return {
    method,
    path,
    query,
    body: new Uint8Array(),
    headers: [
      ['Host', 'example.amazonaws.com'],
      ...extra,
      ['X-Amz-Date', '20150830T123600Z'],
      [
        'Authorization',
        `AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=${signedHeaders}, Signature=${signature}`,
      ],
    ],
  };
}

describe('signature version 4', () => {
  describe("accepts the requests of AWS's published examples", () => {
    const suite: [string, SignedRequest][] = [
      ['get-vanilla', fromSuite('GET', '/', '5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31')],
      ['post-vanilla', fromSuite('POST', '/', '5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b')],
      [
        'get-vanilla-query-order-key-case',
        fromSuite(
          'GET',
          '/?Param2=value2&Param1=value1',
          'b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500',
        ),
      ],
    ];
    for (const [name, request] of suite) it(name, () => expect(verify(request)).to.equal('ok'));

    it('ListUsers of the IAM guide', () => {
      const request: SignedRequest = {
        method: 'GET',
        path: '/',
        query: 'Action=ListUsers&Version=2010-05-08',
        body: new Uint8Array(),
        headers: [
          ['host', 'iam.amazonaws.com'],
          ['content-type', 'application/x-www-form-urlencoded; charset=utf-8'],
          ['x-amz-date', '20150830T123600Z'],
          [
            'authorization',
            'AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, SignedHeaders=content-type;host;x-amz-date, Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7',
          ],
        ],
      };
      expect(verify(request, { services: ['iam'] })).to.equal('ok');
    });

    it('the presigned GET of the S3 reference', () => {
      const request: SignedRequest = {
        method: 'GET',
        path: '/test.txt',
        query:
          'X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404',
        body: new Uint8Array(),
        headers: [['Host', 'examplebucket.s3.amazonaws.com']],
      };
      const check = { secret: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY', services: ['s3'] };
      const signedAt = Date.UTC(2013, 4, 24);
      expect(verify(request, { ...check, now: signedAt + 86_400_000 })).to.equal('ok');
      expect(verify(request, { ...check, now: signedAt + 86_401_000 })).to.equal('expired');
    });
  });

  describe("accepts what AWS's agent sent", () => {
    const path = join(import.meta.dirname, '../../../fixtures/codedeploy/agent-traffic.jsonl');
    const recorded = readFileSync(path, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { method: string; body: string; headers: Record<string, string> })
      .filter((one) => one.method === 'POST');

    it('every recorded request, and none of them with another body', () => {
      expect(recorded).to.have.length.above(20);
      for (const { headers, body } of recorded) {
        const request = (text: string): SignedRequest => ({
          method: 'POST',
          path: '/',
          query: '',
          headers: Object.entries(headers),
          body: Buffer.from(text),
        });
        const at = headers['X-Amz-Date'] ?? '';
        const now = Date.parse(at.replace(/(....)(..)(..)T(..)(..)(..)Z/, '$1-$2-$3T$4:$5:$6Z'));
        const check = { secret: 'throwaway-secret-not-real', now, services: ['codedeploy-commands'] };
        expect(verify(request(body), check)).to.equal('ok');
        expect(verify(request(`${body} `), check)).to.equal('mismatch');
      }
    });
  });

  describe('and the library that the JavaScript SDK signs with', () => {
    const signer = (service = 'codedeploy', sessionToken?: string) =>
      new SignatureV4({
        service,
        region: 'eu-central-1',
        applyChecksum: true,
        uriEscapePath: service !== 's3',
        credentials: {
          accessKeyId: 'DROV0000000000000001',
          secretAccessKey: SECRET,
          ...(sessionToken === undefined ? {} : { sessionToken }),
        },
        sha256: NodeSha256,
      });
    const unsigned = (path = '/', body = '{"a":1}', query = {}, service = 'codedeploy') => ({
      method: 'POST',
      protocol: 'https:',
      hostname: 'drover.example',
      path,
      query,
      headers: {
        host: 'drover.example:7717',
        'content-type': 'application/x-amz-json-1.1',
        ...(service === 's3' ? {} : { 'x-amz-target': 'CodeDeploy_20141006.ListApplications' }),
      },
      body,
    });
    const signingDate = new Date(NOW);
    const services = ['codedeploy', 's3'];

    it('agree on headers, on a session token, and on names and paths that need encoding', async () => {
      for (const [path, query] of [
        ['/', {}],
        ['/a%20b/%C3%A4/x', { 'q s': 'ä+b', list: ['b', 'a'] }],
      ] as const) {
        const signed = await signer('codedeploy', 'session-1').sign(unsigned(path, '{}', query), { signingDate });
        const request = received(signed);
        expect(verify(request, { services }), path).to.equal('ok');
        const read = readClaim(request);
        expect(read.ok && read.claim.sessionToken).to.equal('session-1');
      }
    });

    it('agree on presigned addresses, for S3 and for others', async () => {
      for (const service of services) {
        const path = service === 's3' ? '/bucket/a%20b/../it%27s%20%281%29.zip' : '/';
        const plain = unsigned(path, '', {}, service);
        // What the SDK's own presigner for S3 adds before it signs.
        const extra = service === 's3' ? { 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' } : {};
        const toSign = { ...plain, headers: { ...plain.headers, ...extra } };
        const signed = await signer(service).presign(toSign, {
          signingDate,
          expiresIn: 60,
          signableHeaders: new Set(['host', 'x-amz-target']),
        });
        const request = received(signed);
        expect(verify(request, { services }), service).to.equal('ok');
        expect(verify(request, { services, now: NOW + 61_000 }), service).to.equal('expired');
        expect(verify({ ...request, query: request.query.replace('Expires=60', 'Expires=61') }, { services })).to.equal(
          'mismatch',
        );
      }
    });

    it('differ as soon as anything differs', async () => {
      const signed = received(await signer().sign(unsigned(), { signingDate }));
      const changed: Partial<SignedRequest>[] = [
        { method: 'PUT' },
        { path: '/x' },
        { query: 'a=1' },
        { body: Buffer.from('{"a":2}') },
        { headers: replaced(signed, 'x-amz-target', 'CodeDeploy_20141006.DeleteApplication') },
        { headers: replaced(signed, 'host', 'other.example') },
      ];
      expect(verify(signed, { services })).to.equal('ok');
      expect(verify(signed, { services, secret: `${SECRET}x` })).to.equal('mismatch');
      for (const change of changed) expect(verify({ ...signed, ...change }, { services })).to.equal('mismatch');
    });

    it('lets the body of S3 alone go unsigned', async () => {
      const of = async (service: string) => {
        const request = unsigned('/', 'x', {}, service);
        const headers = { ...request.headers, 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' };
        return received(await signer(service).sign({ ...request, headers }, { signingDate }));
      };
      expect(verify(await of('s3'), { services })).to.equal('ok');
      expect(verify(await of('codedeploy'), { services })).to.equal('mismatch');
    });

    it('demands that the target and the session token are signed', async () => {
      const signed = received(await signer().sign(unsigned(), { signingDate }));
      const headers = [...signed.headers, ['X-Amz-Security-Token', 'added'] as const];
      expect(messageOf({ ...signed, headers }, { now: NOW, services })).to.equal(
        "'x-amz-security-token' must be a 'SignedHeader' in the AWS Authorization.",
      );
    });
  });

  describe('says what is wrong', () => {
    const good = fromSuite('GET', '/', '5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31');
    const withAuthorization = (text: string): SignedRequest => ({
      ...good,
      headers: replaced(good, 'authorization', text),
    });

    it('when there is no signature', () => {
      expect(verify({ ...good, headers: [['Host', 'x']] })).to.equal('missing');
      expect(verify(withAuthorization('Bearer drover_op_x'))).to.equal('missing');
    });

    it('when parts of it are missing or cannot be read', () => {
      for (const text of [
        'AWS4-HMAC-SHA256',
        'AWS4-HMAC-SHA256 Credential=A/20150830/us-east-1/service/aws4_request, Signature=x',
        'AWS4-HMAC-SHA256 Credential=A/20150830/service/aws4_request, SignedHeaders=host, Signature=x',
        'AWS3-HTTPS x',
      ])
        expect(verify(withAuthorization(text)), text).to.equal('incomplete');
      expect(verify({ ...good, headers: replaced(good, 'x-amz-date', 'yesterday') })).to.equal('incomplete');
      expect(verify({ ...good, headers: good.headers.filter(([name]) => name !== 'X-Amz-Date') })).to.equal(
        'incomplete',
      );
      for (const query of ['X-Amz-Algorithm=AWS4-HMAC-SHA256', 'X-Amz-Algorithm=x'])
        expect(verify({ ...good, query, headers: [['Host', 'x']] }), query).to.equal('incomplete');
    });

    it('when it is of another service or another day than its date', () => {
      expect(verify(good, { services: ['codedeploy'] })).to.equal('wrong_scope');
      expect(verify({ ...good, headers: replaced(good, 'x-amz-date', '20150829T123600Z') })).to.equal('wrong_scope');
    });

    it('when the clocks are more than five minutes apart, either way', () => {
      expect(verify(good, { now: NOW + 300_000 })).to.equal('ok');
      expect(verify(good, { now: NOW - 300_000 })).to.equal('ok');
      expect(messageOf(good, { now: NOW + 301_000 })).to.equal(
        'Signature expired: 20150830T123600Z is now earlier than 20150830T123601Z (20150830T124101Z - 5 min.)',
      );
      expect(messageOf(good, { now: NOW - 301_000 })).to.equal(
        'Signature not yet current: 20150830T123600Z is still later than 20150830T123559Z (20150830T123059Z + 5 min.)',
      );
    });
  });
});

interface Outgoing {
  method: string;
  path: string;
  query?: Record<string, string | string[] | null>;
  headers: Record<string, string>;
  body?: unknown;
}

/** As it arrives: the query in one text. */
function received(request: Outgoing): SignedRequest {
  const query = Object.entries(request.query ?? {}).flatMap(([name, value]) =>
    (Array.isArray(value) ? value : [value ?? '']).map(
      (one) => `${encodeURIComponent(name)}=${encodeURIComponent(one)}`,
    ),
  );
  return {
    method: request.method,
    path: request.path,
    query: query.join('&'),
    headers: Object.entries(request.headers),
    body: Buffer.from(typeof request.body === 'string' ? request.body : ''),
  };
}

function replaced(request: SignedRequest, name: string, value: string): [string, string][] {
  return request.headers.map(([key, old]) => [key, key.toLowerCase() === name ? value : old]);
}

/** The hash in the form that the library wants it handed in. */
class NodeSha256 {
  readonly #hash;
  constructor(secret?: string | ArrayBuffer | ArrayBufferView) {
    this.#hash = secret === undefined ? createHash('sha256') : createHmac('sha256', bytesOf(secret));
  }
  update(data: string | ArrayBuffer | ArrayBufferView): void {
    this.#hash.update(bytesOf(data));
  }
  async digest(): Promise<Uint8Array> {
    return this.#hash.digest();
  }
}

function bytesOf(data: string | ArrayBuffer | ArrayBufferView): Buffer {
  if (typeof data === 'string') return Buffer.from(data);
  return ArrayBuffer.isView(data) ? Buffer.from(data.buffer, data.byteOffset, data.byteLength) : Buffer.from(data);
}

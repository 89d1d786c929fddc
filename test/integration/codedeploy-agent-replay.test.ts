import { readFileSync } from 'node:fs';
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import { type FastifyInstance, fastify } from 'fastify';
import { registerAwsEndpoint } from '../../coordinator/http/aws/endpoint.ts';
import { createSignatures } from '../../coordinator/http/aws/signatures.ts';
import { createCommandService } from '../../coordinator/http/codedeploy-command/command-service.ts';
import { createEnvelopeSigner, newSigningIdentity } from '../../coordinator/http/codedeploy-command/envelope.ts';
import { createRateLimits } from '../../coordinator/http/rate-limits.ts';
import type { HostId } from '../../shared/core/ids.ts';
import { silentLogger } from '../../shared/core/logger.ts';
import type { Randomness } from '../../shared/core/randomness.ts';
import { CommandWorld } from '../support/command-world.ts';
import { createFakeClock } from '../support/fake-clock.ts';
import { seededRandomness } from '../support/fake-randomness.ts';

interface Recorded {
  at_s: number;
  method: string;
  path: string;
  headers: Record<string, string>;
  body: string;
  response: { status: number; body: Record<string, unknown> };
}

const RECORDING = new URL('../fixtures/codedeploy/agent-traffic.jsonl', import.meta.url);
const recorded: Recorded[] = readFileSync(RECORDING, 'utf8')
  .split('\n')
  .filter((line) => line !== '')
  .map((line) => JSON.parse(line));

/** Whose throw-away key the recording was signed with. */
const ACCESS_KEY = { id: 'AKIDTHROWAWAY0000000', secret: 'throwaway-secret-not-real' };
const IAM_ARN = 'arn:aws:iam::123456789012:user/host-1';
const DEPLOYMENT_ID = 'd-7CE0E29D4';

describe("what AWS's own agent sent during a whole deployment, sent again", function () {
  this.timeout(60_000);
  let world: CommandWorld;
  let app: FastifyInstance;
  let port: number;
  /** When the request that is sent now was signed. */
  let signedAt = 0;
  const randomness = replayingRandomness();

  before(async () => {
    world = await CommandWorld.start({ clock: createFakeClock(signedAtOf(recorded[1])), randomness });
    const host = await world.addHost('host-1', { role: 'web' }, IAM_ARN);
    const signatures = createSignatures({
      clock: { now: () => signedAt },
      findAccessKey: async (id) =>
        id !== ACCESS_KEY.id
          ? null
          : {
              secretAccessKey: ACCESS_KEY.secret,
              sessionToken: null,
              hasExpired: false,
              callerFrom: (remoteAddress) => ({
                kind: 'host',
                hostId: host.id as HostId,
                hostName: host.name,
                remoteAddress,
              }),
              noteUse() {},
            },
    });
    const identity = await newSigningIdentity(Date.UTC(2026, 10, 22), '01');
    const envelopeSigner = createEnvelopeSigner(async () => identity);
    const { commandHosts } = world;
    app = fastify();
    registerAwsEndpoint(app, {
      services: [createCommandService({ commandHosts, envelopeSigner, clock: { now: () => signedAt } })],
      signatures,
      logger: silentLogger,
      rateLimits: createRateLimits(
        { enrolmentsPerMinute: 1, requestsPerMinute: 1, hostRequestsPerMinute: 1 },
        { has: () => false },
        signatures,
      ),
    });
    await app.listen({ host: '127.0.0.1', port: 0 });
    port = (app.server.address() as AddressInfo).port;
  });
  after(async () => {
    await world.close();
    await app.close();
  });

  it('is accepted, signatures and all, and answered in the same shape', async () => {
    const operations = new Map<string, number>();
    for (const one of recorded) {
      // Commands come from a deployment, which the recorded polls without an answer came before.
      if (commandOf(one)?.CommandName === 'ApplicationStop') {
        randomness.next({ deploymentId: DEPLOYMENT_ID });
        expect(await world.deploy('v1')).to.equal(DEPLOYMENT_ID);
        for (const later of recorded) {
          const id = commandOf(later)?.HostCommandIdentifier;
          if (typeof id === 'string') randomness.next({ uuid: id });
        }
      }
      signedAt = one.method === 'POST' ? signedAtOf(one) : signedAt;
      const operation = (one.headers['X-Amz-Target'] ?? 'GET /').split('.').at(-1) ?? '';
      operations.set(operation, (operations.get(operation) ?? 0) + 1);
      const answer = await sendAsRecorded(one);
      const where = `${operation} at ${one.at_s} s: ${JSON.stringify(answer)}`;
      expect(answer.status, where).to.equal(one.response.status);
      if (one.method === 'GET') continue;
      expect(answer.contentType, where).to.equal('application/x-amz-json-1.1');
      expect(shapeOf(answer.body), where).to.deep.equal(shapeOf(one.response.body));
      const command = commandOf(one);
      if (command !== null) {
        const { DeploymentExecutionId: _ours, ...ours } = (answer.body as { HostCommand: object })
          .HostCommand as Record<string, unknown>;
        const { DeploymentExecutionId: _theirs, ...theirs } = command;
        expect(ours).to.deep.equal(theirs);
      }
    }
    expect(Object.fromEntries(operations)).to.deep.equal({
      'GET /': 1,
      PollHostCommand: 10,
      GetDeploymentSpecification: 7,
      PutHostCommandAcknowledgement: 7,
      PutHostCommandComplete: 7,
    });
    await world.settle();
    expect((await world.get(DEPLOYMENT_ID)).status).to.equal('Succeeded');
  });

  it('is refused when a byte of it is another one, or when its time is over', async () => {
    const poll = recorded[1] as Recorded;
    signedAt = signedAtOf(poll);
    const typeOf = async (one: Recorded) => {
      const { status, body } = await sendAsRecorded(one);
      return [status, (body as { __type?: string }).__type];
    };
    expect(await typeOf({ ...poll, body: poll.body.replace('host-1', 'host-2') })).to.deep.equal([
      400,
      'InvalidSignatureException',
    ]);
    const target = { 'X-Amz-Target': 'CodeDeployCommandService_v20141006.PutHostCommandComplete' };
    expect(await typeOf({ ...poll, headers: { ...poll.headers, ...target } })).to.deep.equal([
      400,
      'InvalidSignatureException',
    ]);
    signedAt += 301_000;
    expect(await typeOf(poll)).to.deep.equal([400, 'InvalidSignatureException']);
  });

  async function sendAsRecorded(one: Recorded) {
    const answering = new Promise<{ status: number; headers: IncomingHttpHeaders; text: string }>((resolve, reject) => {
      const sent = httpRequest(
        { host: '127.0.0.1', port, method: one.method, path: one.path, headers: one.headers },
        (response) => {
          let text = '';
          response.setEncoding('utf8').on('data', (part) => (text += part));
          response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }));
        },
      );
      sent.on('error', reject).end(one.body);
    });
    const { status, headers, text } = await world.until(answering, 45_000);
    return { status, contentType: headers['content-type'], body: text === '' ? {} : JSON.parse(text) };
  }
});

function signedAtOf(one: Recorded | undefined): number {
  const date = one?.headers['X-Amz-Date'] ?? '';
  const [, y, mo, d, h, mi, s] = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(date) ?? [];
  return Date.parse(`${y}-${mo}-${d}T${h}:${mi}:${s}Z`);
}

function commandOf(one: Recorded): Record<string, unknown> | null {
  return (one.response.body.HostCommand as Record<string, unknown> | undefined) ?? null;
}

/** Names and types all the way down. */
function shapeOf(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return typeof value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => a.localeCompare(b))
      .map(([name, inner]) => [name, shapeOf(inner)]),
  );
}

/** Gives the bytes that make the ids which the recording has, when it is told to; seeded ones otherwise. */
function replayingRandomness(): Randomness & { next(what: { uuid: string } | { deploymentId: string }): void } {
  const seeded = seededRandomness(3);
  const waiting: Uint8Array[] = [];
  return {
    next(what) {
      if ('uuid' in what) waiting.push(Buffer.from(what.uuid.replaceAll('-', ''), 'hex'));
      else {
        const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789';
        waiting.push(Uint8Array.from(what.deploymentId.slice(2), (letter) => alphabet.indexOf(letter)));
      }
    },
    bytes: (count) => (waiting[0]?.length === count ? (waiting.shift() as Uint8Array) : seeded.bytes(count)),
    fraction: seeded.fraction,
  };
}

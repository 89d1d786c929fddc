import { agentRoutes } from '../../shared/api/agents.ts';
import type { Clock } from '../../shared/core/clock.ts';
import { AppError, wrapError } from '../../shared/core/errors.ts';
import type { Randomness } from '../../shared/core/randomness.ts';
import type { HostFacts } from '../../shared/model/host.ts';
import type { Disk } from '../host/disk.ts';
import type { HttpClient } from './http-client.ts';
import {
  createIdentity,
  type Enrolment,
  type Identity,
  loadIdentity,
  proveHost,
  publicKeyOf,
  saveIdentity,
} from './identity.ts';

const TIMEOUT_MS = 30_000;

export interface EnrolRequest {
  identityPath: string;
  coordinatorUrl: string;
  joinToken: string;
  /** What the host would like to be called. */
  name: string;
  facts: HostFacts;
  /** Enrol a host that has enrolled already, with a new key: to the coordinator it is another host. */
  force: boolean;
}

/**
 * Exchanges a join token for an identity. The key is on the disk before it is shown to anybody, so an enrolment that was
 * cut off is simply repeated: the same token and key get the same host.
 * @throws AppError `conflict` when this host has enrolled already, and whatever the coordinator says.
 */
export async function enrol(
  parts: { disk: Disk; http: HttpClient; clock: Clock; randomness: Randomness },
  request: EnrolRequest,
): Promise<Enrolment> {
  const existing = await loadIdentity(parts.disk, request.identityPath);
  if (existing?.enrolment != null && !request.force)
    throw new AppError('conflict', `this host is enrolled already, as ${existing.enrolment.hostName}`, {
      hint: 'If its coordinator knows it still, nothing is to be done. If not, or to make it another host: --force, then restart the agent.',
      details: { hostId: existing.enrolment.hostId },
    });
  const identity = await keyToShow(parts, request.identityPath, existing);
  const { path, reply } = agentRoutes.enrol;
  const answer = await parts.http.json({
    method: 'POST',
    path,
    body: {
      joinToken: request.joinToken,
      publicKey: publicKeyOf(identity),
      name: request.name,
      facts: request.facts,
    },
    timeoutMs: TIMEOUT_MS,
  });
  const enrolment: Enrolment = {
    ...parseAnswer(() => reply.parse(answer)),
    coordinatorUrl: request.coordinatorUrl,
    enrolledAt: parts.clock.now(),
  };
  await saveIdentity(parts.disk, request.identityPath, { ...identity, enrolment });
  await parts.disk.removeTree(nextPathOf(request.identityPath));
  return enrolment;
}

/**
 * The key to enrol with: that of an attempt whose end was never heard of, since the coordinator may know it, or else a new
 * one. With `--force` the old identity stays until the new one has enrolled, so the new key lies beside it.
 */
async function keyToShow(
  { disk, randomness }: { disk: Disk; randomness: Randomness },
  identityPath: string,
  existing: Identity | null,
): Promise<Identity> {
  if (existing?.enrolment === null) return existing;
  const path = existing === null ? identityPath : nextPathOf(identityPath);
  const shown = existing === null ? null : await loadIdentity(disk, path);
  // One that is in place already was to be removed when the power went.
  if (shown !== null && shown.privateKey !== existing?.privateKey) return shown;
  const fresh = createIdentity(randomness);
  await saveIdentity(disk, path, fresh);
  return fresh;
}

function nextPathOf(identityPath: string): string {
  return `${identityPath}.next`;
}

async function askChallenge(http: HttpClient): Promise<{ nonce: string; coordinatorId: string }> {
  const challenge = await http.json({
    method: 'POST',
    path: agentRoutes.createChallenge.path,
    body: {},
    timeoutMs: TIMEOUT_MS,
  });
  return parseAnswer(() => agentRoutes.createChallenge.reply.parse(challenge));
}

/** Who is there: any coordinator tells, before any proof. */
export async function askCoordinatorId(http: HttpClient): Promise<string> {
  return (await askChallenge(http)).coordinatorId;
}

/** A token for this host's own questions, beside any session that the agent holds. */
export async function openSession(http: HttpClient, identity: Identity, hostId: string): Promise<string> {
  const { nonce, coordinatorId } = await askChallenge(http);
  const signature = proveHost(identity, { nonce, coordinatorId, hostId });
  const session = await http.json({
    method: 'POST',
    path: agentRoutes.createSession.path,
    body: { hostId, nonce, signature },
    timeoutMs: TIMEOUT_MS,
  });
  return parseAnswer(() => agentRoutes.createSession.reply.parse(session)).sessionToken;
}

/** Whether this host may be put behind a load balancer, and why not. */
export async function askReadiness(http: HttpClient, sessionToken: string) {
  const answer = await http.json({
    method: 'GET',
    path: agentRoutes.readiness.path,
    bearer: sessionToken,
    timeoutMs: TIMEOUT_MS,
  });
  return parseAnswer(() => agentRoutes.readiness.reply.parse(answer));
}
export type Readiness = Awaited<ReturnType<typeof askReadiness>>;

function parseAnswer<Value>(parse: () => Value): Value {
  try {
    return parse();
  } catch (error) {
    throw wrapError('the coordinator answered in an unknown form', error);
  }
}

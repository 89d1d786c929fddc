import { isAppError } from '../../shared/core/errors.ts';
import { type Deployment, isTerminal } from '../../shared/sdk/drover-client.ts';
import { hooksAppSpec, makeBundle } from './agent-process.ts';
import { type RealHerd, until } from './real-herd.ts';
import { HOOKED, tracedHook } from './traced-hooks.ts';

/** What operators do to a herd whose coordinator may be away at any moment. The group is `app/all`: every host with role web. */
const APPLICATION = 'app';
const GROUP = 'all';
export const TARGET_GROUP = { application: APPLICATION, group: GROUP } as const;
/** While processes are killed all the time, nothing is said about how long one deployment takes; only that it ends. */
const DEPLOYMENT_ENDS_WITHIN_MS = 120_000;

export async function createGroup(herd: RealHerd): Promise<void> {
  await herd.client.createApplication({ name: APPLICATION });
  await herd.client.createDeploymentGroup({
    application: APPLICATION,
    name: GROUP,
    selection: { tagFilters: [{ type: 'KEY_AND_VALUE', key: 'role', value: 'web' }] },
  });
}

export interface TracedRevision {
  label: string;
  /** How long every hook takes. */
  hookSeconds: number;
  /** The event whose hook fails, and the shell pattern of the names of the hosts where it does. */
  bad?: { event: string; on: string };
  /** Files beside VERSION, installed next to it. */
  payload?: Readonly<Record<string, string>>;
}

/** A revision whose hooks write down what they did; asks until it is stored. */
export async function pushRevision(herd: RealHerd, revision: TracedRevision): Promise<void> {
  const { label, hookSeconds, bad, payload = {} } = revision;
  const appSpec = hooksAppSpec(Object.fromEntries(HOOKED.map((event) => [event, [`${event}.sh`]])));
  const sources = ['VERSION', ...Object.keys(payload)];
  const files = `files:\n${sources.map((name) => `  - source: ${name}\n    destination: /opt/app\n`).join('')}`;
  const scripts = HOOKED.map((event) => [`${event}.sh`, tracedHook(hookSeconds, event === bad?.event ? bad.on : null)]);
  const { bytes, bundleType, digest } = await makeBundle(
    `${appSpec}${files}file_exists_behavior: OVERWRITE\n`,
    { VERSION: `${label}\n`, ...payload, ...Object.fromEntries(scripts) },
    Object.fromEntries(sources.map((name) => [name, 0o644])),
  );
  await answered(async () => {
    const from = { stream: new Blob([Uint8Array.from(bytes)]).stream(), sizeBytes: bytes.byteLength };
    try {
      return await herd.client.uploadBundle({ application: APPLICATION, from, bundleType, digest, label });
    } catch (error) {
      // The answer to an earlier try got lost.
      if (!isAppError(error, 'conflict')) throw error;
      return herd.client.getRevision({ application: APPLICATION, revision: label });
    }
  });
}

/** Asks until there is an answer: the same key again must not create a second deployment. Resolves when it has ended. */
export async function deploy(
  herd: RealHerd,
  revision: string,
  deploymentConfigName: string,
  idempotencyKey: string,
): Promise<Deployment> {
  const request = {
    application: APPLICATION,
    deploymentGroup: GROUP,
    revision,
    deploymentConfigName,
    idempotencyKey,
  };
  const { id } = await answered(() => herd.client.createDeployment(request));
  return ended(herd, id);
}

export async function ended(
  herd: RealHerd,
  id: string,
  withinMs: number = DEPLOYMENT_ENDS_WITHIN_MS,
): Promise<Deployment> {
  let deployment = await answered(() => herd.client.getDeployment({ deployment: id }));
  await until(`${id} has ended`, withinMs, async () => {
    deployment = await answered(() => herd.client.getDeployment({ deployment: id }));
    return isTerminal(deployment.status);
  });
  return deployment;
}

/** Waits until nothing runs any more: rollbacks, too. */
export async function idle(herd: RealHerd, withinMs: number = DEPLOYMENT_ENDS_WITHIN_MS): Promise<void> {
  await until('no deployment runs', withinMs, async () => {
    const { items } = await answered(() => herd.client.listDeployments({ active: true }));
    return items.length === 0;
  });
}

/** A coordinator that was just killed answers later. */
export async function answered<T>(ask: () => Promise<T>): Promise<T> {
  let answer: { value: T } | null = null;
  await until('the coordinator answers', 60_000, async () => {
    try {
      answer = { value: await ask() };
    } catch (error) {
      if (!isAppError(error, 'unavailable')) throw error;
    }
    return answer !== null;
  });
  // `until` has returned only because it was set; the compiler does not follow assignments in closures.
  return (answer as unknown as { value: T }).value;
}

import { isAppError } from '../../../shared/core/errors.ts';
import type { Randomness } from '../../../shared/core/randomness.ts';
import { type Deployment, isTerminal } from '../../../shared/sdk/drover-client.ts';
import { hooksAppSpec, makeBundle } from '../../support/agent-process.ts';
import { type RealHerd, until } from '../../support/real-herd.ts';

export const HOOKED = ['ApplicationStop', 'BeforeInstall', 'AfterInstall', 'ApplicationStart', 'ValidateService'];
export const BAD_EXIT_CODE = 3;
export const BAD_REVISION = 'bad';
const GOOD_REVISIONS = ['one', 'two'];
const CONFIGS = ['CodeDeployDefault.HalfAtATime', 'CodeDeployDefault.AllAtOnce'];
/** While processes are killed all the time, nothing is said about how long one deployment takes; only that it ends. */
const DEPLOYMENT_ENDS_WITHIN_MS = 120_000;

/** Where a host's hooks write: one line for each run, with the version whose files lie there at that moment. */
export const TRACE = 'trace';
export const VERSION_FILE = 'opt/app/VERSION';

/** Long enough that kills fall inside hooks, too. */
function hookScript(event: string, revision: string): string {
  const end = revision === BAD_REVISION && event === 'AfterInstall' ? `exit ${BAD_EXIT_CODE}` : 'exit 0';
  return `#!/bin/sh
version=
if [ -f "$DROVER_INSTALL_ROOT/${VERSION_FILE}" ]; then read -r version < "$DROVER_INSTALL_ROOT/${VERSION_FILE}"; fi
echo "$DEPLOYMENT_ID $LIFECYCLE_EVENT $version" >> "$DROVER_INSTALL_ROOT/${TRACE}"
echo "begin $DEPLOYMENT_ID"
sleep 0.1
echo "end $LIFECYCLE_EVENT"
${end}
`;
}

/** What a hook that ran to its end has printed. */
export function outputOf(deploymentId: string, event: string): string {
  return `begin ${deploymentId}\nend ${event}\n`;
}

export async function registerRevisions(herd: RealHerd): Promise<void> {
  await herd.client.createApplication({ name: 'app' });
  await herd.client.createDeploymentGroup({
    application: 'app',
    name: 'all',
    selection: { tagFilters: [{ type: 'KEY_AND_VALUE', key: 'role', value: 'web' }] },
  });
  for (const label of [...GOOD_REVISIONS, BAD_REVISION]) {
    const appSpec = hooksAppSpec(Object.fromEntries(HOOKED.map((event) => [event, [`${event}.sh`]])));
    const files = 'files:\n  - source: VERSION\n    destination: /opt/app\nfile_exists_behavior: OVERWRITE\n';
    const { bytes, bundleType, digest } = await makeBundle(
      `${appSpec}${files}`,
      {
        VERSION: `${label}\n`,
        ...Object.fromEntries(HOOKED.map((event) => [`${event}.sh`, hookScript(event, label)])),
      },
      { VERSION: 0o644 },
    );
    await herd.client.uploadBundle({
      application: 'app',
      from: { stream: new Blob([Uint8Array.from(bytes)]).stream(), sizeBytes: bytes.byteLength },
      bundleType,
      digest,
      label,
    });
  }
}

/** Deploys alternating revisions, a bad one now and then, one after another until it is told to stop. */
export async function deployContinuously(herd: RealHerd, randomness: Randomness, isOver: () => boolean): Promise<void> {
  for (let round = 0; !isOver(); round++) {
    const isBad = round > 2 && randomness.fraction() < 0.2;
    const revision = isBad ? BAD_REVISION : (GOOD_REVISIONS[round % 2] ?? '');
    const config = CONFIGS[Math.floor(randomness.fraction() * CONFIGS.length)] ?? '';
    await deploy(herd, revision, config, `round-${round}`);
    await idle(herd);
  }
}

/** Asks until there is an answer: the same key again must not create a second deployment. Resolves when it has ended. */
export async function deploy(
  herd: RealHerd,
  revision: string,
  deploymentConfigName: string,
  idempotencyKey: string,
): Promise<Deployment> {
  const request = { application: 'app', deploymentGroup: 'all', revision, deploymentConfigName, idempotencyKey };
  const { id } = await answered(() => herd.client.createDeployment(request));
  let deployment = await answered(() => herd.client.getDeployment({ deployment: id }));
  await until(`${id} has ended`, DEPLOYMENT_ENDS_WITHIN_MS, async () => {
    deployment = await answered(() => herd.client.getDeployment({ deployment: id }));
    return isTerminal(deployment.status);
  });
  return deployment;
}

/** Waits until nothing runs any more: rollbacks, too. */
export async function idle(herd: RealHerd): Promise<void> {
  await until('no deployment runs', DEPLOYMENT_ENDS_WITHIN_MS, async () => {
    const { items } = await answered(() => herd.client.listDeployments({ active: true }));
    return items.length === 0;
  });
}

/** A coordinator that was just killed answers later. */
async function answered<T>(ask: () => Promise<T>): Promise<T> {
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

import type { Randomness } from '../../../shared/core/randomness.ts';
import type { Deployment, TargetWithEvents } from '../../../shared/sdk/drover-client.ts';
import { createGroup, deploy, idle, pushRevision } from '../../support/herd-operator.ts';
import type { RealHerd } from '../../support/real-herd.ts';
import { BAD_EXIT_CODE } from '../../support/traced-hooks.ts';

const BAD_REVISION = 'bad';
const BAD_EVENT = 'AfterInstall';
const GOOD_REVISIONS = ['one', 'two'];
const CONFIGS = ['CodeDeployDefault.HalfAtATime', 'CodeDeployDefault.AllAtOnce'];
/** Long enough that kills fall inside hooks, too. */
const HOOK_SECONDS = 0.1;

export async function registerRevisions(herd: RealHerd): Promise<void> {
  await createGroup(herd);
  for (const label of GOOD_REVISIONS) await pushRevision(herd, { label, hookSeconds: HOOK_SECONDS });
  await pushRevision(herd, {
    label: BAD_REVISION,
    hookSeconds: HOOK_SECONDS,
    bad: { event: BAD_EVENT, on: '*' },
  });
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

/** The only reasons that this test gives: the bad revision's script, and a host that died inside a script. */
export function isExplained({ lifecycleEvent, diagnostics }: TargetWithEvents, deployment: Deployment): boolean {
  if (diagnostics === null) return false;
  const { errorCode, exitCode, signal, message } = diagnostics;
  if (errorCode === 'ScriptFailed' && exitCode === BAD_EXIT_CODE)
    return deployment.revisionLabel === BAD_REVISION && lifecycleEvent === BAD_EVENT;
  if (errorCode === 'ScriptFailed') return signal === 'SIGKILL';
  return errorCode === 'UnknownError' && message.includes('outcome is unknown');
}

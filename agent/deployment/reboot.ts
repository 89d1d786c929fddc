import { sleep } from '../../shared/core/clock.ts';
import { errorMessage } from '../../shared/core/errors.ts';
import { invariant } from '../../shared/core/invariant.ts';
import type { DeploymentProgress, ScriptProgress } from '../journal/records.ts';
import { findDeployment, findEvent } from '../journal/state.ts';
import type { ExecutorParts } from './executors.ts';

/** What reboots this host, and how often a deployment may ask for it. */
export interface RebootParts {
  /** Asks the host to go down; returns when it was asked. @throws when the host refuses */
  reboot(): Promise<void>;
  /** In one deployment; 0: never. */
  maxReboots: number;
  /** From the asking to the new boot, ms. */
  timeoutMs: number;
}

export interface RebootRequest {
  deploymentId: string;
  event: string;
  /** The script that ended with 194. */
  index: number;
  outputPath: string;
  signal: AbortSignal;
}

export type RebootOutcome =
  | { kind: 'booted' }
  | { kind: 'failed'; message: string }
  /** The agent ends, most likely because the host goes down. */
  | { kind: 'interrupted' };

/**
 * Carries out the reboot that a script asked for, over the agents before and after it. The journal holds where it is:
 * nothing yet (the reboot may not even be allowed), requested (in this boot: the host is asked, again if need be; in another
 * one: it is done), settled (the script counts as done). A reboot that does not come is a failure in the end.
 */
export async function carryOutReboot(parts: ExecutorParts, request: RebootRequest): Promise<RebootOutcome> {
  const { journal, clock } = parts;
  const place = { deploymentId: request.deploymentId, event: request.event, index: request.index };
  const script = scriptOf(parts, request);
  if (script.reboot?.isSettled === true) return { kind: 'booted' };
  const bootId = await parts.hooks.processes.bootId();

  if (script.reboot === undefined) {
    const refusal = refusalOf(parts, request, script);
    if (refusal !== null) return { kind: 'failed', message: refusal };
    journal.append({ kind: 'reboot-requested', ...place, at: clock.now() });
    await journal.commit();
    await note(parts, request, `${script.location} asked for a reboot`);
  }
  // The host may also have gone down by itself in the meantime: that is what was wanted.
  if (script.bootId !== bootId) {
    journal.append({ kind: 'reboot-settled', ...place });
    await journal.commit();
    await note(parts, request, 'the host has been booted; the deployment goes on');
    parts.logger.info(place, 'reboot done');
    return { kind: 'booted' };
  }
  return goDown(parts, request, script);
}

async function goDown(parts: ExecutorParts, request: RebootRequest, script: ScriptProgress): Promise<RebootOutcome> {
  const { reboots, clock, logger } = parts;
  invariant(reboots !== null && script.reboot !== undefined, 'a reboot that is not possible is refused before');
  const remainingMs = Math.min(script.reboot.requestedAt + reboots.timeoutMs - clock.now(), reboots.timeoutMs);
  if (remainingMs > 0) {
    logger.warn({ deploymentId: request.deploymentId, lifecycleEvent: request.event }, 'rebooting the host');
    try {
      await reboots.reboot();
    } catch (error) {
      return { kind: 'failed', message: `${script.location} asked for a reboot: ${errorMessage(error)}` };
    }
    // Only the end of this process cuts it short.
    await sleep(clock, remainingMs, request.signal).catch(() => {});
    if (request.signal.aborted) return { kind: 'interrupted' };
  }
  const seconds = Math.round(reboots.timeoutMs / 1_000);
  return {
    kind: 'failed',
    message: `${script.location} asked for a reboot, but the host has not been booted within ${seconds} s`,
  };
}

function refusalOf(parts: ExecutorParts, request: RebootRequest, script: ScriptProgress): string | null {
  const { reboots } = parts;
  const asked = `${script.location} asked for a reboot (exit code 194)`;
  if (reboots === null) return `${asked}, which a local deployment does not do`;
  const deployment = theDeployment(parts, request);
  const before = deployment.events.flatMap((event) => event.scripts).filter((each) => each.reboot !== undefined).length;
  if (before < reboots.maxReboots) return null;
  return `${asked}, but the deployment has had ${before} of at most ${reboots.maxReboots} (hooks.maxReboots)`;
}

function theDeployment(parts: ExecutorParts, { deploymentId }: RebootRequest): DeploymentProgress {
  const deployment = findDeployment(parts.journal.state, deploymentId);
  invariant(deployment !== undefined, `deployment ${deploymentId} is in the journal`);
  return deployment;
}

function scriptOf(parts: ExecutorParts, request: RebootRequest): ScriptProgress {
  const script = findEvent(theDeployment(parts, request), request.event)?.scripts[request.index];
  invariant(script !== undefined, `script ${request.index} of ${request.event} is in the journal`);
  return script;
}

/** A line in the event's output, for whoever reads it. */
async function note(parts: ExecutorParts, { outputPath }: RebootRequest, text: string): Promise<void> {
  try {
    const file = await parts.disk.openAppend(outputPath, 0o600);
    try {
      await file.append(`[drover] ${text}\n`);
    } finally {
      await file.close();
    }
  } catch (error) {
    parts.logger.warn({ path: outputPath, reason: errorMessage(error) }, 'hook output not written');
  }
}

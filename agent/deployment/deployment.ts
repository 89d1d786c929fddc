import { clip } from '../../shared/core/bounded.ts';
import { errorMessage } from '../../shared/core/errors.ts';
import { InvariantViolation, invariant } from '../../shared/core/invariant.ts';
import type { RunningEvent } from '../../shared/protocol/messages.ts';
import type { DeploymentProgress } from '../journal/records.ts';
import { installedRevisionId } from '../journal/state.ts';
import { loadAppSpec } from './app-spec-file.ts';
import {
  type EventOutcome,
  type ExecutorParts,
  execute,
  failed,
  learnSecretsOf,
  type StepContext,
} from './executors.ts';
import { nextHook, type PlanInput, planEvent, type Step, timeoutOf } from './plan.ts';
import { hasLostScripts, type Remainder, remainder } from './recovery.ts';
import { openScriptsLog, type ScriptsLog } from './scripts-log.ts';

/** An event's outcome waits no longer than this for a commit, ms. */
const COMMIT_WITHIN_MS = 3;

export interface DeploymentParts extends ExecutorParts {
  /** An event begins or has ended. Its output lies in `logPath`. */
  onEvent(change: { running: RunningEvent; logPath: string; hasEnded: boolean }): void;
}

/**
 * Walks one deployment from wherever the journal says it is to its end: journal the intent, perform the step, journal the
 * outcome (which is also the report), go on. Returns early, with nothing lost, when the signal aborts.
 */
export async function runDeployment(
  parts: DeploymentParts,
  deployment: DeploymentProgress,
  signal: AbortSignal,
): Promise<'finished' | 'interrupted'> {
  const { journal } = parts;
  const { deploymentId, deploymentGroupId } = deployment.assignment;
  const files = parts.layout.deployment(deploymentGroupId, deploymentId);
  if (!deployment.isBegun) journal.append({ kind: 'begun', deploymentId });
  const obstacle = await makeDirectories(parts, files);
  const scriptsLog = openScriptsLog(parts, files.scriptsLog);
  try {
    return await walk(parts, deployment, { signal, files, scriptsLog, obstacle });
  } finally {
    parts.hooks.processes.prepare(null);
    await scriptsLog.close();
  }
}

async function walk(
  parts: DeploymentParts,
  deployment: DeploymentProgress,
  {
    signal,
    files,
    scriptsLog,
    obstacle,
  }: Pick<EventRun, 'signal' | 'files' | 'scriptsLog'> & { obstacle: string | null },
): Promise<'finished' | 'interrupted'> {
  const revisions: Revisions = { installed: undefined, downloaded: null };
  for (;;) {
    const rest = remainder(deployment);
    if (rest.kind !== 'event') {
      finish(parts, deployment, rest);
      await parts.journal.commit();
      return 'finished';
    }
    if (signal.aborted) return 'interrupted';
    const { event } = rest;
    const { step, following }: Planned =
      obstacle === null
        ? await planNext(parts, deployment, { event, revisions })
        : { step: { kind: 'refuse', event, reason: obstacle }, following: null };
    const outcome = await runEvent(parts, {
      deployment,
      step,
      following,
      revisions,
      interrupted: rest.interrupted,
      signal,
      files,
      scriptsLog,
    });
    if (outcome === 'interrupted') return 'interrupted';
    commitSoon(parts);
  }
}

/** The next script's own commit mostly comes first and carries this event's outcome, which saves a sync for each event. */
function commitSoon(parts: DeploymentParts): void {
  // A failure is met by whoever commits next.
  parts.clock.setTimer(COMMIT_WITHIN_MS, () => void parts.journal.commit().catch(() => {}));
}

interface Revisions extends Pick<PlanInput, 'downloaded'> {
  /** Undefined until it was looked at. */
  installed: PlanInput['installed'] | undefined;
}

type Planned = Pick<EventRun, 'step' | 'following'>;

async function planNext(
  parts: DeploymentParts,
  deployment: DeploymentProgress,
  next: { event: string; revisions: Revisions },
): Promise<Planned> {
  const { assignment, archive } = deployment;
  const { revisions, event } = next;
  if (archive !== null && revisions.downloaded === null) {
    const loaded = await loadAppSpec(parts.disk, archive.archiveRoot, {
      wanted: archive.appSpecPath,
      lifecycleEvents: assignment.lifecycleEvents,
    });
    // An earlier agent has read it, so the archive was damaged since.
    if (!loaded.ok) return { step: { kind: 'refuse', event, reason: loaded.message }, following: null };
    revisions.downloaded = {
      revisionLabel: assignment.revision.label,
      archiveRoot: archive.archiveRoot,
      appSpec: loaded.appSpec,
    };
  }
  if (revisions.installed === undefined) revisions.installed = await loadInstalled(parts, deployment);
  const input = { assignment, installed: revisions.installed, downloaded: revisions.downloaded };
  return { step: planEvent(input, event), following: nextHook(input, event) };
}

async function loadInstalled(
  parts: DeploymentParts,
  { assignment }: DeploymentProgress,
): Promise<PlanInput['installed']> {
  const installed = parts.journal.state.installed[assignment.deploymentGroupId];
  if (installed === undefined) return null;
  const loaded = await loadAppSpec(parts.disk, installed.archiveRoot, {
    wanted: installed.appSpecPath,
    lifecycleEvents: 'any',
  });
  if (!loaded.ok)
    return { unreadable: `the archive of ${installed.revisionLabel} is not usable any more: ${loaded.message}` };
  return { revisionLabel: installed.revisionLabel, archiveRoot: installed.archiveRoot, appSpec: loaded.appSpec };
}

interface EventRun {
  deployment: DeploymentProgress;
  step: Step;
  following: StepContext['following'];
  revisions: Revisions;
  interrupted: (Remainder & { kind: 'event' })['interrupted'];
  signal: AbortSignal;
  files: ReturnType<ExecutorParts['layout']['deployment']>;
  scriptsLog: ScriptsLog;
}

async function runEvent(parts: DeploymentParts, run: EventRun): Promise<'ended' | 'interrupted'> {
  const { deployment, step, interrupted } = run;
  const { deploymentId } = deployment.assignment;
  const { event } = step;
  const startedAt = interrupted?.startedAt ?? parts.clock.now();
  const timeoutMs = interrupted?.timeoutMs ?? timeoutOf(step);
  if (interrupted === null)
    parts.journal.append({ kind: 'event-started', deploymentId, event, at: startedAt, timeoutMs });
  else if (step.kind === 'run-hook') await learnSecretsOf(parts, step, run);
  const running = { deploymentId, event, startedAt, timeoutMs };
  const logPath = run.files.eventLog(event);
  parts.onEvent({ running, logPath, hasEnded: false });
  let outcome: EventOutcome;
  try {
    outcome = hasLostScripts(step, interrupted)
      ? failed(
          `${event} had begun, and its scripts cannot be found any more: ${'reason' in step ? step.reason : step.kind}`,
        )
      : await execute(parts, step, run);
  } catch (error) {
    if (error instanceof InvariantViolation) throw error;
    // If it was the journal that failed, the next commit fails too and ends the agent.
    outcome = failed(errorMessage(error));
    await parts.journal.commit();
  }
  if (outcome.kind === 'interrupted') return 'interrupted';
  const durationMs = Math.max(0, parts.clock.now() - startedAt);
  parts.journal.append({
    kind: 'event-ended',
    report: {
      kind: 'event',
      sequence: parts.journal.nextSequence(),
      deploymentId,
      event,
      status: outcome.kind,
      startedAt,
      durationMs,
      ...(outcome.diagnostics === undefined ? {} : { diagnostics: outcome.diagnostics }),
    },
  });
  parts.logger.info({ deploymentId, lifecycleEvent: event, status: outcome.kind, durationMs }, 'lifecycle event ended');
  parts.onEvent({ running, logPath, hasEnded: true });
  if (step.kind === 'run-hook') run.scriptsLog.add({ step, startedAt, outcome, durationMs });
  return 'ended';
}

function finish(
  parts: DeploymentParts,
  deployment: DeploymentProgress,
  end: Exclude<Remainder, { kind: 'event' }>,
): void {
  const { journal, clock } = parts;
  const { deploymentId, deploymentGroupId } = deployment.assignment;
  const at = clock.now();
  for (const event of end.kind === 'fail' ? end.skip : []) {
    const sequence = journal.nextSequence();
    journal.append({
      kind: 'event-ended',
      report: { kind: 'event', sequence, deploymentId, event, status: 'Skipped', startedAt: at, durationMs: 0 },
    });
  }
  const message = end.kind === 'fail' ? failureMessage(deployment, end.failedEvent) : null;
  const status = end.kind === 'fail' ? 'Failed' : 'Succeeded';
  journal.append({
    kind: 'finished',
    report: {
      kind: 'finished',
      sequence: journal.nextSequence(),
      deploymentId,
      status,
      at,
      installedRevisionId: installedRevisionId(journal.state, deploymentGroupId),
      ...(message === null ? {} : { message }),
    },
  });
  parts.logger.info({ deploymentId, status, ...(message === null ? {} : { reason: message }) }, 'deployment ended');
}

function failureMessage(deployment: DeploymentProgress, failedEvent: string): string {
  const report = deployment.events.find((progress) => progress.event === failedEvent)?.report;
  invariant(report !== undefined && report !== null, `the failed event ${failedEvent} has its report`);
  return clip(`${failedEvent}: ${report.diagnostics?.message ?? 'failed'}`, 4_096);
}

/** What keeps them from being made (no inode is left, something is in the way) fails the deployment, not the agent. */
async function makeDirectories(parts: DeploymentParts, files: EventRun['files']): Promise<string | null> {
  try {
    // Scripts that run as another user must reach the archive, so only what is beside it is closed.
    await parts.disk.makeDirectory(files.directory, { recursive: true, mode: 0o755 });
    await parts.disk.makeDirectory(files.logs, { recursive: true, mode: 0o700 });
    await parts.disk.makeDirectory(files.runs, { recursive: true, mode: 0o700 });
    return null;
  } catch (error) {
    return `the directory of the deployment cannot be made: ${errorMessage(error)}`;
  }
}

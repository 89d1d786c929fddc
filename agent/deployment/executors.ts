import { createHash } from 'node:crypto';
import { APPSPEC_NAMES } from '../../shared/bundle/entry.ts';
import { clip } from '../../shared/core/bounded.ts';
import type { Clock } from '../../shared/core/clock.ts';
import { errorMessage } from '../../shared/core/errors.ts';
import { invariant } from '../../shared/core/invariant.ts';
import type { Logger } from '../../shared/core/logger.ts';
import type { Diagnostics } from '../../shared/model/lifecycle-event.ts';
import type { Assignment } from '../../shared/protocol/messages.ts';
import type { BundleOutcome } from '../bundle/bundles.ts';
import { hookEnvironment } from '../hooks/environment.ts';
import {
  type ExpectedScript,
  expectScript,
  type HookRunnerParts,
  learnSecrets,
  REBOOT_EXIT_CODE,
  runScript,
} from '../hooks/hook-runner.ts';
import type { Disk } from '../host/disk.ts';
import type { InstallOutcome, InstallRequest } from '../install/installer.ts';
import { groupsInstalledOver } from '../install/other-groups.ts';
import type { GroupState } from '../install/records.ts';
import type { Journal } from '../journal/journal.ts';
import type { DeploymentProgress, EventProgress } from '../journal/records.ts';
import { findDeployment, findEvent } from '../journal/state.ts';
import { loadAppSpec } from './app-spec-file.ts';
import { groupStates } from './group-states.ts';
import type { DeploymentLayout, Layout } from './layout.ts';
import type { Step, StepOf, UnpackedRevision } from './plan.ts';
import { carryOutReboot, type RebootParts } from './reboot.ts';

export interface ExecutorParts {
  disk: Disk;
  clock: Clock;
  logger: Logger;
  journal: Journal;
  layout: Layout;
  hooks: HookRunnerParts;
  /** Null where no script may have the host rebooted. */
  reboots: RebootParts | null;
  /** The host's own variables for every hook. */
  hostVariables: Readonly<Record<string, string>>;
  /** Brings the assignment's bundle into `<deploymentDirectory>/deployment-archive`. */
  prepareBundle(request: {
    assignment: Assignment;
    deploymentDirectory: string;
    signal: AbortSignal;
  }): Promise<BundleOutcome>;
  install(request: InstallRequest): Promise<InstallOutcome>;
}

export interface StepContext {
  deployment: DeploymentProgress;
  files: DeploymentLayout;
  /** What the journal knows of this event when an earlier agent began it. */
  interrupted: EventProgress | null;
  /** The event with scripts that comes next, as far as is known. */
  following: StepOf<'run-hook'> | null;
  /** DownloadBundle leaves here what it has read, so that the events after it need not read it again. */
  revisions: { downloaded: UnpackedRevision | null };
  signal: AbortSignal;
}

export type EventOutcome =
  | { kind: 'Succeeded'; diagnostics?: Diagnostics }
  | { kind: 'Failed'; diagnostics: Diagnostics }
  /** The agent is being stopped; the next one goes on from the journal. */
  | { kind: 'interrupted' };

type Executors = {
  [Kind in Step['kind']]: (parts: ExecutorParts, step: StepOf<Kind>, context: StepContext) => Promise<EventOutcome>;
};

const executors: Executors = {
  noop: async (_parts, step) => ({
    kind: 'Succeeded',
    diagnostics: { errorCode: 'Success', message: clip(`no script was run: ${step.reason}`, 4_096) },
  }),
  refuse: async (_parts, step) => failed(step.reason),
  'await-bundle': async (_parts, step) =>
    failed(`${step.event} comes before DownloadBundle, which brings what it needs`),
  'download-bundle': downloadBundle,
  install: installFiles,
  'run-hook': runHook,
};

/** Performs one step. What goes wrong is an outcome; only a broken journal or invariant throws. */
export async function execute(parts: ExecutorParts, step: Step, context: StepContext): Promise<EventOutcome> {
  // The table's type pairs every kind with its executor; the compiler cannot follow that through an index.
  const executor = executors[step.kind] as (
    parts: ExecutorParts,
    step: Step,
    context: StepContext,
  ) => Promise<EventOutcome>;
  return executor(parts, step, context);
}

export function failed(message: string): EventOutcome {
  return { kind: 'Failed', diagnostics: { errorCode: 'UnknownError', message: clip(message, 4_096) } };
}

async function downloadBundle(
  parts: ExecutorParts,
  _step: StepOf<'download-bundle'>,
  { deployment, files, signal, revisions }: StepContext,
): Promise<EventOutcome> {
  const { assignment } = deployment;
  const bundle = await attempt(() => parts.prepareBundle({ assignment, deploymentDirectory: files.directory, signal }));
  if (signal.aborted) return { kind: 'interrupted' };
  if (!bundle.ok) return failed(bundle.message);
  const loaded = await loadAppSpec(parts.disk, bundle.archiveRoot, {
    wanted: assignment.appSpecFilename,
    lifecycleEvents: assignment.lifecycleEvents,
  });
  if (!loaded.ok) return failed(loaded.message);
  for (const warning of loaded.warnings)
    parts.logger.warn(
      { deploymentId: assignment.deploymentId, line: warning.line, path: warning.path, warning: warning.message },
      'appspec warning',
    );
  parts.journal.append({
    kind: 'bundle-ready',
    deploymentId: assignment.deploymentId,
    archive: { archiveRoot: bundle.archiveRoot, appSpecPath: loaded.appSpecPath },
  });
  const { archiveRoot } = bundle;
  revisions.downloaded = { revisionLabel: assignment.revision.label, archiveRoot, appSpec: loaded.appSpec };
  if (bundle.reusedBytes === 0) return { kind: 'Succeeded' };
  const message = `${bundle.downloadedBytes} bytes were fetched; files of ${bundle.reusedBytes} bytes were on this host already`;
  return { kind: 'Succeeded', diagnostics: { errorCode: 'Success', message } };
}

async function installFiles(
  parts: ExecutorParts,
  step: StepOf<'install'>,
  { deployment }: StepContext,
): Promise<EventOutcome> {
  const { assignment, archive } = deployment;
  invariant(archive !== null, 'Install is planned only once the bundle is here');
  const groupId = assignment.deploymentGroupId;
  const stateDirectory = parts.layout.groupState(groupId);
  const otherGroups = async () =>
    (await groupStates(parts.disk, parts.layout)).filter((group) => group.groupId !== groupId);
  const isIntact = (group: GroupState) => parts.journal.state.installed[group.groupId]?.isIntact === true;
  const outcome = await attempt(() =>
    parts.install({
      groupId,
      deploymentId: assignment.deploymentId,
      appSpec: step.appSpec,
      archiveRoot: step.archiveRoot,
      fileExistsBehavior: assignment.fileExistsBehavior,
      stateDirectory,
      releaseName: releaseNameOf(assignment, archive.appSpecPath),
      otherGroups,
      intactGroups: async () => (await otherGroups()).filter(isIntact),
    }),
  );
  if (!outcome.ok) {
    if ('restored' in outcome && !outcome.restored)
      parts.journal.append({ kind: 'install-broken', deploymentGroupId: groupId });
    return failed(outcome.message);
  }
  for (const other of await groupsInstalledOver(parts.disk, { groupId, stateDirectory }, await otherGroups()))
    if (parts.journal.state.installed[other]?.isIntact === true)
      parts.journal.append({ kind: 'install-broken', deploymentGroupId: other });
  const before = parts.journal.state.installed[groupId];
  const { application, deploymentGroupName } = assignment;
  const { digest } = assignment.revision;
  const previousDigest = before?.digest === digest ? before.previousDigest : before?.digest;
  parts.journal.append({
    kind: 'installed',
    deploymentGroupId: groupId,
    revision: {
      ...archive,
      deploymentId: assignment.deploymentId,
      revisionId: assignment.revision.id,
      revisionLabel: assignment.revision.label,
      digest,
      at: parts.clock.now(),
      isIntact: true,
      ...(previousDigest === undefined ? {} : { previousDigest }),
      groupName: { application, deploymentGroupName },
    },
  });
  return { kind: 'Succeeded' };
}

/** The same bundle with another AppSpec is another release; a local deployment has no digest to go by. */
function releaseNameOf({ deploymentId, revision }: Assignment, appSpecPath: string): string {
  if (/^0+$/.test(revision.digest)) return deploymentId;
  const isUsual = (APPSPEC_NAMES as readonly string[]).includes(appSpecPath);
  const suffix = isUsual ? '' : `-${createHash('sha256').update(appSpecPath).digest('hex').slice(0, 8)}`;
  return `${revision.digest.slice(0, 16)}${suffix}`;
}

async function runHook(parts: ExecutorParts, step: StepOf<'run-hook'>, context: StepContext): Promise<EventOutcome> {
  for (const [index, script] of step.scripts.entries()) {
    if (context.signal.aborted) return { kind: 'interrupted' };
    const result = await runOneScript(parts, step, { ...context, index });
    if (result.kind === 'interrupted') return result;
    if (result.kind === 'failed') return { kind: 'Failed', diagnostics: result.diagnostics };
    if (result.kind === 'succeeded') continue;
    const reboot = await carryOutReboot(parts, {
      deploymentId: context.deployment.assignment.deploymentId,
      event: step.event,
      index,
      outputPath: context.files.eventLog(step.event),
      signal: context.signal,
    });
    if (reboot.kind === 'interrupted') return reboot;
    if (reboot.kind === 'failed') return rebootFailure(script.location, reboot.message);
  }
  return { kind: 'Succeeded' };
}

/** Of an event that an earlier agent has begun: its scripts may print already. */
export async function learnSecretsOf(
  parts: ExecutorParts,
  step: StepOf<'run-hook'>,
  context: Pick<StepContext, 'deployment' | 'files'>,
): Promise<void> {
  for (const index of step.scripts.keys()) {
    const expected = expectedScript(parts, step, { ...context, index });
    if (expected !== null) await learnSecrets(parts.hooks, expected);
  }
}

function rebootFailure(location: string, message: string): EventOutcome {
  return {
    kind: 'Failed',
    diagnostics: {
      errorCode: 'ScriptFailed',
      scriptName: clip(location, 1_024),
      message: clip(message, 4_096),
      exitCode: REBOOT_EXIT_CODE,
    },
  };
}

async function runOneScript(
  parts: ExecutorParts,
  step: StepOf<'run-hook'>,
  context: StepContext & { index: number },
): ReturnType<typeof runScript> {
  const { journal } = parts;
  const { deployment, signal, following, index } = context;
  const { assignment } = deployment;
  const { event } = step;
  const expected = expectedScript(parts, step, context);
  invariant(expected !== null, `script ${index} of ${event} is in the plan`);
  const { script } = expected;
  const place = { deploymentId: assignment.deploymentId, event, index };
  const known = findDeployment(journal.state, assignment.deploymentId);
  const previous = known === undefined ? undefined : findEvent(known, event)?.scripts[index];
  return runScript(parts.hooks, {
    ...expected,
    previous: previous ?? null,
    signal,
    async starting({ attempt: number, at, deadlineAt, bootId }) {
      journal.append({
        kind: 'script-starting',
        ...place,
        script: {
          location: script.location,
          attempt: number,
          startedAt: at,
          deadlineAt,
          bootId,
          isTimedOut: false,
          ended: null,
        },
      });
      await journal.commit();
    },
    started() {
      const next =
        expectedScript(parts, step, { ...context, index: index + 1 }) ??
        (following === null ? null : expectedScript(parts, following, { ...context, index: 0 }));
      if (next !== null) expectScript(parts.hooks, next);
    },
    async timedOut() {
      journal.append({ kind: 'script-timed-out', ...place });
      await journal.commit();
    },
    ended: (ended) => journal.append({ kind: 'script-ended', ...place, ended }),
  });
}

/** Null when the event has no such script. */
function expectedScript(
  { hostVariables }: ExecutorParts,
  { event, scripts, source }: StepOf<'run-hook'>,
  { deployment: { assignment }, files, index }: Pick<StepContext, 'deployment' | 'files'> & { index: number },
): ExpectedScript | null {
  const script = scripts[index];
  if (script === undefined) return null;
  return {
    script,
    inTransientUnit: assignment.transientUnits === true,
    archiveRoot: source.archiveRoot,
    outputPath: files.eventLog(event),
    environmentOf: (user) => hookEnvironment({ assignment, event, hostVariables, scriptVariables: script.env, user }),
    statusPathOf: (attemptNumber) => files.scriptStatus({ event, index, attempt: attemptNumber }),
  };
}

/** A disk that refuses is the event's failure, told in its words. */
async function attempt<Outcome>(perform: () => Promise<Outcome>): Promise<Outcome | { ok: false; message: string }> {
  try {
    return await perform();
  } catch (error) {
    return { ok: false, message: errorMessage(error) };
  }
}

import { join } from 'node:path';
import type { Clock } from '../shared/core/clock.ts';
import { AppError } from '../shared/core/errors.ts';
import { newDeploymentId } from '../shared/core/ids.ts';
import { silentLogger } from '../shared/core/logger.ts';
import type { Randomness } from '../shared/core/randomness.ts';
import type { FileExistsBehavior } from '../shared/model/deployment-group.ts';
import type { Diagnostics } from '../shared/model/lifecycle-event.ts';
import type { BundleType } from '../shared/model/revision.ts';
import type { Assignment } from '../shared/protocol/messages.ts';
import { type Bundles, createBundles } from './bundle/bundles.ts';
import type { AgentConfig } from './config.ts';
import { loadAppSpec } from './deployment/app-spec-file.ts';
import { createDeployments } from './deployment/deployments.ts';
import { isPathSegment, type Layout, layoutOf } from './deployment/layout.ts';
import { plan, type Step } from './deployment/plan.ts';
import { createSecrets } from './hooks/secrets.ts';
import type { Accounts } from './host/accounts.ts';
import type { Disk } from './host/disk.ts';
import type { ProcessRunner } from './host/process-runner.ts';
import { type InstallParts, install, recoverInstall } from './install/installer.ts';
import { readManifest } from './install/records.ts';
import { type Journal, openJournal } from './journal/journal.ts';
import { type LocalBundle, openLocalBundle } from './local-bundle.ts';

export interface LocalOptions {
  /** An archive, or a directory. */
  bundlePath: string;
  bundleType: BundleType | 'directory';
  fileExistsBehavior: FileExistsBehavior;
  deploymentGroupId: string;
  deploymentGroupName: string;
  application: string;
  events: readonly string[];
  appSpecFilename: string;
}

export interface LocalParts {
  config: AgentConfig;
  disk: Disk;
  processes: ProcessRunner;
  accounts: Accounts;
  clock: Clock;
  randomness: Randomness;
  ownAccount: { uid: number; name: string; home: string };
  /** All links followed. */
  realPath(path: string): Promise<string>;
  /** Stops between steps when it aborts. */
  signal: AbortSignal;
  onEventEnded(event: LocalEvent): void;
}

export interface LocalEvent {
  name: string;
  status: 'Succeeded' | 'Failed' | 'Skipped';
  durationMs: number;
  diagnostics: Diagnostics | null;
}

export interface LocalResult {
  deploymentId: string;
  status: 'Succeeded' | 'Failed' | 'Skipped' | 'Interrupted';
  message: string | null;
  lifecycleEvents: LocalEvent[];
}

/** Local deployments have a state of their own: the agent's journal belongs to the running agent. */
export function localDirectory(stateDirectory: string): string {
  return join(stateDirectory, 'local');
}

/** Deploys a bundle on this host without a coordinator, by the same steps as any other deployment. */
export async function deployLocally(parts: LocalParts, options: LocalOptions): Promise<LocalResult> {
  const assignment = assignmentOf(parts, options);
  const { deploymentId } = assignment;
  const layout = await prepareLayout(parts);
  // Before ApplicationStop: a mistyped path must not stop what runs.
  const bundle = await openBundle(parts, layout, options);
  if (bundle === null)
    return { deploymentId, status: 'Interrupted', message: 'before the first step', lifecycleEvents: [] };
  try {
    return await deployBundle(parts, { bundle, assignment, layout });
  } finally {
    await bundle.discard();
  }
}

async function deployBundle(
  parts: LocalParts,
  { bundle, assignment, layout }: { bundle: LocalBundle; assignment: Assignment; layout: Layout },
): Promise<LocalResult> {
  const { disk, clock, config } = parts;
  const { deploymentId } = assignment;
  const journal = await openJournal({ disk, path: layout.journal, randomness: parts.randomness });
  const installParts = { disk, accounts: parts.accounts, run: parts.processes.run, logger: silentLogger };
  await abandonEarlier(installParts, layout, journal, clock.now());
  let failure: unknown = null;
  const deployments = createDeployments({
    disk,
    clock,
    logger: silentLogger,
    journal,
    layout,
    hooks: {
      ...parts,
      logger: silentLogger,
      maxOutputBytes: config.hooks.maxOutputBytes,
      secrets: createSecrets({ disk, logger: silentLogger }, config.hooks.secrets),
    },
    reboots: null,
    hostVariables: config.hooks.environment,
    prepareBundle: ({ deploymentDirectory }) => bundle.bringInto(deploymentDirectory),
    install: (request) => install(installParts, { ...request, reserveBytes: config.limits.reserveBytes }),
    retainBundles: async () => new Set(),
    maxRevisions: config.limits.maxRevisions,
    onEvent({ running, hasEnded }) {
      if (!hasEnded) return;
      const ended = eventsOf(journal, deploymentId).find((event) => event.name === running.event);
      if (ended !== undefined) parts.onEventEnded(ended);
    },
    onFinished: () => {},
    onFailure: (error) => {
      failure = error;
    },
  });
  const interrupt = () => void deployments.stop();
  parts.signal.addEventListener('abort', interrupt, { once: true });
  deployments.start();
  await deployments.accept(assignment);
  await deployments.idle();
  parts.signal.removeEventListener('abort', interrupt);
  if (failure !== null) throw failure;
  const finished = journal.state.finished.find((report) => report.deploymentId === deploymentId);
  const result: LocalResult = {
    deploymentId,
    status: finished?.status ?? 'Interrupted',
    message: finished?.message ?? null,
    lifecycleEvents: eventsOf(journal, deploymentId),
  };
  // Nobody will ever ask for these reports.
  journal.append({ kind: 'acknowledged', sequence: journal.state.lastSequence }, { kind: 'output-sent', deploymentId });
  await journal.close();
  return result;
}

/** The steps that {@link deployLocally} would take. */
export async function planLocally(parts: LocalParts, options: LocalOptions): Promise<Step[]> {
  const layout = await prepareLayout(parts);
  const assignment = assignmentOf(parts, options);
  const bundle = await openBundle(parts, layout, options);
  if (bundle === null) throw new AppError('unavailable', 'interrupted while the bundle was unpacked');
  try {
    const installed = await installedHere(parts, layout, options);
    const { bundlePath } = options;
    const downloaded = { revisionLabel: bundlePath, archiveRoot: bundlePath, appSpec: bundle.appSpec };
    return plan({ assignment, installed, downloaded });
  } finally {
    await bundle.discard();
  }
}

function openBundle(parts: LocalParts, layout: Layout, options: LocalOptions): Promise<LocalBundle | null> {
  const { stateDirectory } = parts.config;
  // No group can have this name.
  const workDirectory = join(layout.deployments, '.unpacked');
  return openLocalBundle({ ...parts, bundles: localBundles(parts, layout), workDirectory, stateDirectory }, options);
}

async function installedHere(parts: LocalParts, layout: Layout, options: LocalOptions) {
  const journal = await openJournal({ disk: parts.disk, path: layout.journal, randomness: parts.randomness });
  const installed = journal.state.installed[options.deploymentGroupId];
  await journal.close();
  if (installed === undefined) return null;
  const loaded = await loadAppSpec(parts.disk, installed.archiveRoot, {
    wanted: installed.appSpecPath,
    lifecycleEvents: 'any',
  });
  return loaded.ok
    ? { revisionLabel: installed.revisionLabel, archiveRoot: installed.archiveRoot, appSpec: loaded.appSpec }
    : { unreadable: loaded.message };
}

async function prepareLayout(parts: LocalParts): Promise<Layout> {
  const layout = layoutOf(localDirectory(parts.config.stateDirectory));
  await parts.disk.makeDirectory(layout.deployments, { recursive: true, mode: 0o755 });
  await parts.disk.makeDirectory(layout.cache, { recursive: true, mode: 0o700 });
  return layout;
}

function downloadsNothing(): Promise<never> {
  return Promise.reject(new AppError('not_implemented', 'a local deployment downloads nothing'));
}

function localBundles(parts: LocalParts, layout: Layout): Bundles {
  const { limits } = parts.config;
  return createBundles({
    disk: parts.disk,
    download: { open: downloadsNothing, manifest: downloadsNothing, createDelta: downloadsNothing },
    clock: parts.clock,
    randomness: parts.randomness,
    logger: silentLogger,
    cacheDirectory: layout.cache,
    limits: {
      maxBundleBytes: limits.maxBundleBytes,
      maxUnpackedBytes: limits.maxUnpackedBytes,
      maxEntries: limits.maxBundleEntries,
      maxAttempts: 1,
      reserveBytes: limits.reserveBytes,
    },
  });
}

function assignmentOf(parts: LocalParts, options: LocalOptions): Assignment {
  if (!isPathSegment(options.deploymentGroupId))
    throw new AppError('invalid', `--group: ${JSON.stringify(options.deploymentGroupId)} cannot name a directory`);
  return {
    deploymentId: `${newDeploymentId(parts.randomness)}-local`,
    application: options.application,
    deploymentGroupId: options.deploymentGroupId,
    deploymentGroupName: options.deploymentGroupName,
    creator: 'user',
    revision: {
      id: 'local',
      label: 'local',
      // Nothing is downloaded, so nothing is verified; the field must only have its form.
      digest: '0'.repeat(64),
      bundleType: options.bundleType === 'directory' ? 'tar' : options.bundleType,
      sizeBytes: 0,
    },
    lifecycleEvents: [...options.events],
    fileExistsBehavior: options.fileExistsBehavior,
    ignoreApplicationStopFailures: false,
    appSpecFilename: options.appSpecFilename,
    hookEnvironment: {},
  };
}

/**
 * A local deployment that was interrupted is not continued: its bundle may be gone, and whoever began it left. When its
 * files are there all the same, they are what is installed.
 */
async function abandonEarlier(installParts: InstallParts, layout: Layout, journal: Journal, at: number): Promise<void> {
  for (const { assignment, archive } of [...journal.state.deployments]) {
    const { deploymentId, deploymentGroupId, revision } = assignment;
    const group = { groupId: deploymentGroupId, stateDirectory: layout.groupState(deploymentGroupId) };
    await recoverInstall(installParts, group);
    const isInstalled = (await readManifest(installParts.disk, group))?.deploymentId === deploymentId;
    if (isInstalled && archive !== null)
      journal.append({
        kind: 'installed',
        deploymentGroupId,
        revision: {
          ...archive,
          deploymentId,
          revisionId: revision.id,
          revisionLabel: revision.label,
          digest: revision.digest,
          at,
          isIntact: true,
        },
      });
    journal.append({
      kind: 'finished',
      report: {
        kind: 'finished',
        sequence: journal.nextSequence(),
        deploymentId,
        status: 'Failed',
        at,
        installedRevisionId: isInstalled ? revision.id : null,
        message: 'interrupted, and followed by another local deployment',
      },
    });
  }
  // Nobody will ever ask for it, and their directories would wait for that.
  for (const { deploymentId } of [...journal.state.unsentOutput]) journal.append({ kind: 'output-sent', deploymentId });
}

function eventsOf(journal: Journal, deploymentId: string): LocalEvent[] {
  return journal.state.reports.flatMap((report) =>
    report.kind === 'event' && report.deploymentId === deploymentId
      ? [
          {
            name: report.event,
            status: report.status,
            durationMs: report.durationMs,
            diagnostics: report.diagnostics ?? null,
          },
        ]
      : [],
  );
}

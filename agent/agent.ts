import { clip } from '../shared/core/bounded.ts';
import { type Clock, sleep } from '../shared/core/clock.ts';
import { AppError, errnoOf, errorMessage } from '../shared/core/errors.ts';
import { newUuid } from '../shared/core/ids.ts';
import { invariant } from '../shared/core/invariant.ts';
import type { Logger } from '../shared/core/logger.ts';
import type { Randomness } from '../shared/core/randomness.ts';
import type { HostFacts } from '../shared/model/host.ts';
import type { Assignment } from '../shared/protocol/messages.ts';
import { createBundles } from './bundle/bundles.ts';
import type { AgentConfig } from './config.ts';
import { type Enrolment, type Identity, proveHost } from './connection/identity.ts';
import { createOutbox } from './connection/outbox.ts';
import { createOutputStreamer } from './connection/output-streamer.ts';
import { createSession } from './connection/session.ts';
import type { BundleDownload, Transport } from './connection/transport.ts';
import { createDeployments } from './deployment/deployments.ts';
import { eventOfLog, isPathSegment, type Layout } from './deployment/layout.ts';
import { countedOn } from './deployment/retention.ts';
import { unpackedDirectories } from './deployment/unpacked-directories.ts';
import { collectDrift } from './drift.ts';
import { driftAnswer } from './drift-answer.ts';
import { createSecrets, readMasked } from './hooks/secrets.ts';
import type { Accounts } from './host/accounts.ts';
import type { Disk } from './host/disk.ts';
import type { ProcessHandle, ProcessRunner } from './host/process-runner.ts';
import type { GroupDrift } from './install/drift.ts';
import { belowInstallRoot, installRootVariable } from './install/install-root.ts';
import { install, recoverInstall } from './install/installer.ts';
import { type Journal, openJournal } from './journal/journal.ts';
import { createStatusFile } from './status-file.ts';

/** A download that finds no session waits this long for one, ms: a coordinator that restarts is back by then. */
const SESSION_PATIENCE_MS = 120_000;
const SESSION_LOOK_MS = 50;
/** As the protocol has it. */
const MAX_FAILURE_LENGTH = 1_024;

export interface AgentParts {
  /** Of this program, as the coordinator and the status file are told. */
  version: string;
  config: AgentConfig;
  layout: Layout;
  identity: Identity;
  enrolment: Enrolment;
  disk: Disk;
  processes: ProcessRunner;
  accounts: Accounts;
  clock: Clock;
  randomness: Randomness;
  logger: Logger;
  transports: { websocket: Transport; longPoll: Transport };
  /** Made with the agent's own way to a session token. */
  createDownload(sessionToken: (signal: AbortSignal) => Promise<string>): BundleDownload;
  facts(): Promise<HostFacts>;
  loadOfLastMinute(): number;
  ownAccount: { uid: number; name: string; home: string };
  ownProcess: ProcessHandle | null;
  /** See the journal's own. */
  compactJournalAboveBytes?: number | undefined;
  /** See the bundles' own. */
  minDeltaBytes?: number | undefined;
  /** The journal cannot be written, or an invariant is broken: the process must end, and recovers when started again. */
  onFailure(error: unknown): void;
}

/**
 * The agent's life: replay the journal, put right what a crash left, connect, accept, walk deployments, report. `stop` takes
 * no new work and leaves a running hook running: the next agent finds it.
 */
export interface Agent {
  stop(): Promise<void>;
}

export async function startAgent(parts: AgentParts): Promise<Agent> {
  const { config, layout, disk, clock, logger } = parts;
  await disk.makeDirectory(layout.deployments, { recursive: true, mode: 0o755 });
  await disk.makeDirectory(layout.cache, { recursive: true, mode: 0o700 });
  const journal = await openJournal({
    disk,
    path: layout.journal,
    randomness: parts.randomness,
    compactAboveBytes: parts.compactJournalAboveBytes,
    onCompactionRefused: (error) =>
      logger.warn({ path: layout.journal, reason: errorMessage(error) }, 'journal not rewritten'),
  });
  const installParts = { disk, accounts: parts.accounts, run: parts.processes.run, logger };
  await recoverInstalls(parts, journal, (request) => recoverInstall(installParts, request));

  const bundles = createBundles({
    disk,
    download: parts.createDownload(sessionToken),
    clock,
    randomness: parts.randomness,
    logger,
    cacheDirectory: layout.cache,
    limits: {
      maxBundleBytes: config.limits.maxBundleBytes,
      maxUnpackedBytes: config.limits.maxUnpackedBytes,
      maxEntries: config.limits.maxBundleEntries,
      maxAttempts: config.limits.maxDownloadAttempts,
      reserveBytes: config.limits.reserveBytes,
      minDeltaBytes: parts.minDeltaBytes,
    },
  });

  const secrets = createSecrets({ disk, logger }, config.hooks.secrets);
  // Output of a script that runs since before this agent must not leave the host before its secrets are known.
  await secrets.refresh(config.hooks.environment);
  for (const { assignment } of journal.state.deployments) await secrets.refresh(assignment.hookEnvironment);

  const outbox = createOutbox({
    journal,
    clock,
    logger,
    send: (message) => session.send(message),
    onRenumbered: () => session.reconnect('the journal goes on under a new name'),
    onFailure: parts.onFailure,
  });
  const streamer = createOutputStreamer({
    disk,
    clock,
    logger,
    send: (message) => session.send(message),
    readOutput: (path, piece) => readMasked({ disk, mask: secrets.mask }, path, piece),
    queuedBytes: () => session.queuedBytes,
    maxOutputBytes: config.hooks.maxOutputBytes,
    onComplete: (deploymentId) => journal.append({ kind: 'output-sent', deploymentId }),
  });
  journal.onCommit(outbox.wake);

  const deployments = createDeployments({
    disk,
    clock,
    logger,
    journal,
    layout,
    hooks: {
      disk,
      processes: parts.processes,
      accounts: parts.accounts,
      clock,
      logger,
      ownAccount: parts.ownAccount,
      maxOutputBytes: config.hooks.maxOutputBytes,
      secrets,
    },
    reboots: {
      reboot: () => askForReboot(parts.processes.run, config.hooks.rebootCommand),
      maxReboots: config.hooks.maxReboots,
      timeoutMs: config.hooks.rebootTimeoutMs,
    },
    hostVariables: { ...installRootVariable(config.installRoot), ...config.hooks.environment },
    prepareBundle: ({ assignment, deploymentDirectory, signal }) =>
      bundles.prepare({
        ...assignment.revision,
        deploymentDirectory,
        signal,
        unpackedDirectories: () => unpackedDirectories(disk, layout, journal.state, assignment.deploymentGroupId),
        neededDigests: () => {
          const { current, previous } = countedOn(Object.values(journal.state.installed));
          return [...current, ...previous];
        },
      }),
    install: (request) =>
      install(installParts, {
        ...request,
        appSpec: belowInstallRoot(request.appSpec, config.installRoot),
        reserveBytes: config.limits.reserveBytes,
      }),
    retainBundles: (digests) => bundles.retain({ digests, maxBytes: config.limits.maxCacheBytes }),
    maxRevisions: config.limits.maxRevisions,
    onEvent({ running, logPath, hasEnded }) {
      const file = { deploymentId: running.deploymentId, event: running.event, path: logPath };
      if (hasEnded) streamer.end(file);
      else streamer.begin(file);
      outbox.running(hasEnded ? null : running);
      statusFile.changed();
    },
    onFinished: (deploymentId) => streamer.deploymentEnded(deploymentId),
    onFailure: parts.onFailure,
  });

  let isStopping = false;
  const session = createSession({
    transports: parts.transports,
    clock,
    randomness: parts.randomness,
    logger,
    agentVersion: parts.version,
    processId: newUuid(parts.randomness),
    hostId: parts.enrolment.hostId,
    prove: (challenge) => proveHost(parts.identity, { ...challenge, hostId: parts.enrolment.hostId }),
    facts: parts.facts,
    journal: () => ({
      journalId: journal.state.journalId,
      deployments: journal.state.deployments.map((deployment) => deployment.assignment.deploymentId),
    }),
    health: () => ({ load1: parts.loadOfLastMinute() }),
    onWelcome(welcome) {
      outbox.connected(welcome.acknowledgedSequence);
      streamer.connected();
    },
    onAssignment: accept,
    onCancel(cancel) {
      if (!isStopping) deployments.cancel(cancel).catch(parts.onFailure);
    },
    onFindDrift: ({ requestId }) => void tellDrift(requestId),
    onAcknowledged(acknowledged) {
      outbox.acknowledged(acknowledged.sequence);
      if (acknowledged.output !== undefined) streamer.acknowledged(acknowledged.output);
      statusFile.changed();
    },
    onDisconnected() {
      outbox.disconnected();
      streamer.disconnected();
    },
    onStatus: () => statusFile.changed(),
  });

  const statusFile = createStatusFile({ disk, clock, logger }, layout.status, () => ({
    process: parts.ownProcess,
    version: parts.version,
    at: clock.now(),
    connection: session.status,
    running: deployments.running(),
    unacknowledgedReports: journal.facts().unacknowledgedReports,
    compactions: journal.facts().compactions,
  }));

  /** The newest question about drift; null while nobody asks. */
  let askedForDrift: string | null = null;
  /** One look at a time, since it reads all that is installed: who asks again meanwhile, over a new connection, gets that one. */
  async function tellDrift(newest: string): Promise<void> {
    const isLooking = askedForDrift !== null;
    askedForDrift = newest;
    if (isLooking) return;
    let drifts: GroupDrift[] = [];
    let failure: string | null = null;
    try {
      drifts = await collectDrift(disk, config.stateDirectory);
    } catch (error) {
      failure = clip(errorMessage(error), MAX_FAILURE_LENGTH);
      logger.warn({ reason: failure }, 'drift not found out');
    }
    session.send({ ...driftAnswer(askedForDrift, drifts), ...(failure === null ? {} : { failure }) });
    askedForDrift = null;
  }

  function accept(assignment: Assignment): void {
    if (isStopping) return;
    deployments.accept(assignment).catch(parts.onFailure);
  }

  async function sessionToken(signal: AbortSignal): Promise<string> {
    const deadline = clock.now() + SESSION_PATIENCE_MS;
    while (session.token === null && clock.now() < deadline) await sleep(clock, SESSION_LOOK_MS, signal);
    return session.token ?? '';
  }

  await resumeOutput(parts, journal, streamer);
  deployments.start();
  session.start();
  return {
    async stop() {
      isStopping = true;
      await within(clock, config.limits.drainMs, deployments.stop());
      await journal.commit();
      await within(clock, config.limits.drainMs, outbox.flushed());
      streamer.stop();
      session.stop('the agent stops');
      await statusFile.stop();
      await journal.close();
    },
  };
}

/** How long the command that reboots the host may take to say that it will, ms. */
const REBOOT_COMMAND_TIMEOUT_MS = 60_000;

async function askForReboot(run: ProcessRunner['run'], command: readonly string[]): Promise<void> {
  const [file, ...args] = command;
  invariant(file !== undefined, 'the configuration has a command');
  const result = await run(file, args, REBOOT_COMMAND_TIMEOUT_MS);
  if (result.exitCode !== 0)
    throw new AppError(
      'internal',
      `${command.join(' ')} ended with ${result.exitCode ?? 'a signal'}: ${result.stderr.trim().slice(0, 1_024)}`,
    );
}

/** Every group may have died in the middle of an install; its deployment may be waiting, or forgotten by an older journal. */
async function recoverInstalls(
  parts: AgentParts,
  journal: Journal,
  recover: (request: { groupId: string; stateDirectory: string }) => Promise<string>,
): Promise<void> {
  const found = await parts.disk.list(parts.layout.groups).catch((error: unknown) => {
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  });
  const known = [...Object.keys(journal.state.installed), ...found].filter(isPathSegment);
  for (const groupId of new Set(known)) {
    try {
      const outcome = await recover({ groupId, stateDirectory: parts.layout.groupState(groupId) });
      if (outcome !== 'nothing')
        parts.logger.warn({ deploymentGroupId: groupId, outcome }, 'interrupted install recovered');
    } catch (error) {
      // The other groups can still be served, and the next Install of this one tries again.
      parts.logger.error(
        { deploymentGroupId: groupId, reason: errorMessage(error) },
        'interrupted install not recovered',
      );
    }
  }
}

/** What hooks printed under an earlier agent and the coordinator may not have yet. */
async function resumeOutput(
  parts: AgentParts,
  journal: Journal,
  streamer: ReturnType<typeof createOutputStreamer>,
): Promise<void> {
  // One that is under way is begun when it is taken up, once the secrets of its scripts are known.
  const offer = async (groupId: string, deploymentId: string, endedEvents: ReadonlySet<string> | 'all') => {
    const { logs } = parts.layout.deployment(groupId, deploymentId);
    // A deployment whose directory was removed since has nothing to send any more.
    for (const fileName of await parts.disk.list(logs).catch(() => [])) {
      const event = eventOfLog(fileName);
      if (event === null) continue;
      if (endedEvents === 'all' || endedEvents.has(event))
        streamer.end({ deploymentId, event, path: `${logs}/${fileName}` });
    }
  };
  for (const { deploymentGroupId, deploymentId } of journal.state.unsentOutput) {
    await offer(deploymentGroupId, deploymentId, 'all');
    streamer.deploymentEnded(deploymentId);
  }
  for (const { assignment, events } of journal.state.deployments) {
    const ended = events.filter((progress) => progress.report !== null).map((progress) => progress.event);
    await offer(assignment.deploymentGroupId, assignment.deploymentId, new Set(ended));
  }
}

/** Waits for `work`, but not longer than `limitMs`. */
async function within(clock: Clock, limitMs: number, work: Promise<void>): Promise<void> {
  const patience = new AbortController();
  await Promise.race([work, sleep(clock, limitMs, patience.signal).catch(() => {})]);
  patience.abort();
}

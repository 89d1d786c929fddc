import { errorMessage } from '../../shared/core/errors.ts';
import type { Assignment, Cancel, FinishedReport, RunningEvent } from '../../shared/protocol/messages.ts';
import { ARCHIVE_DIRECTORY } from '../bundle/bundles.ts';
import { digestOfUnpacked } from '../bundle/delta.ts';
import { findDeployment, installedRevisionId } from '../journal/state.ts';
import { type DeploymentParts, runDeployment } from './deployment.ts';
import { isPathSegment } from './layout.ts';
import { countedOn, outdatedDeployments } from './retention.ts';

/** Deployments that may wait on one host. The coordinator gives one at a time to each; more than this is a fault. */
const MAX_QUEUED = 64;

export interface DeploymentsParts extends Omit<DeploymentParts, 'onEvent'> {
  /** Deployment directories that are kept in each group, the installed one beside. */
  maxRevisions: number;
  /** Beside the directories: drops cached bundles that nothing needs. Returns those that are on this host unpacked only. */
  retainBundles(digests: ReadonlySet<string>): Promise<ReadonlySet<string>>;
  onEvent: DeploymentParts['onEvent'];
  onFinished(deploymentId: string): void;
  /** The journal cannot be written or an invariant is broken: the agent must end. */
  onFailure(error: unknown): void;
}

type Acceptance =
  | 'accepted'
  /** It is here already, or was; its reports are sent again if need be. */
  | 'repeated'
  /** Impossible to run; reported Failed. */
  | 'refused'
  /** Nothing was recorded: the coordinator may offer it again. */
  | 'full';

/** One deployment at a time; the others wait in the journal in the order in which they came. */
export interface Deployments {
  /** Returns once the answer is durable. */
  accept(assignment: Assignment): Promise<Acceptance>;
  /** Before the first step: finished as Skipped. Later: no effect, it goes on to its end; when it has ended, that is reported again. */
  cancel(cancel: Cancel): Promise<void>;
  /** Goes on with what the journal holds. */
  start(): void;
  running(): RunningEvent | null;
  /** Interrupts between steps and leaves a running script running. Resolves when nothing is under way any more. */
  stop(): Promise<void>;
  /** Resolves when no deployment is left, or after an interruption. */
  idle(): Promise<void>;
}

export function createDeployments(parts: DeploymentsParts): Deployments {
  const { journal, logger } = parts;
  const stopping = new AbortController();
  let running: RunningEvent | null = null;
  let working: Promise<void> | null = null;
  let isStarted = false;

  const deploymentParts: DeploymentParts = {
    ...parts,
    onEvent(change) {
      running = change.hasEnded ? null : change.running;
      parts.onEvent(change);
    },
  };

  function wake(): void {
    if (!isStarted || working !== null) return;
    working = work()
      .catch(parts.onFailure)
      .finally(() => {
        working = null;
        // What arrived between the last look and here.
        if (journal.state.deployments.length > 0 && !stopping.signal.aborted && !hasFailed) wake();
      });
  }

  let hasFailed = false;
  async function work(): Promise<void> {
    try {
      for (;;) {
        const deployment = journal.state.deployments[0];
        if (deployment === undefined || stopping.signal.aborted) return;
        const { deploymentId, deploymentGroupId } = deployment.assignment;
        if ((await runDeployment(deploymentParts, deployment, stopping.signal)) === 'interrupted') return;
        parts.onFinished(deploymentId);
        await removeOutdated(deploymentGroupId);
      }
    } catch (error) {
      hasFailed = true;
      throw error;
    }
  }

  function finishNow(
    { deploymentId, deploymentGroupId }: Omit<Cancel, 'reason'>,
    end: Pick<FinishedReport, 'status'> & { message: string },
  ): void {
    journal.append({
      kind: 'finished',
      report: {
        kind: 'finished',
        sequence: journal.nextSequence(),
        deploymentId,
        status: end.status,
        at: parts.clock.now(),
        installedRevisionId: installedRevisionId(journal.state, deploymentGroupId),
        message: end.message,
      },
    });
  }

  /**
   * True when the deployment has ended here: its end is reported (again, if the first report was acknowledged). What is installed is
   * told as it is by now: a coordinator that was set back to a backup does not know what came after.
   */
  function reportAgain({ deploymentId, deploymentGroupId }: Omit<Cancel, 'reason'>): boolean {
    const report = journal.state.finished.find((finished) => finished.deploymentId === deploymentId);
    if (report === undefined) return false;
    // Not by its number, which is one of an earlier journal when the reports were numbered anew since.
    if (journal.state.reports.some((one) => one.kind === 'finished' && one.deploymentId === deploymentId)) return true;
    const installed =
      deploymentGroupId === undefined
        ? report.installedRevisionId
        : installedRevisionId(journal.state, deploymentGroupId);
    journal.append({
      kind: 'finished',
      report: { ...report, sequence: journal.nextSequence(), installedRevisionId: installed },
    });
    return true;
  }

  async function removeOutdated(groupId: string): Promise<void> {
    try {
      const { state } = journal;
      const directory = parts.layout.groupDeployments(groupId);
      const found = await Promise.all(
        (await parts.disk.list(directory)).map(async (deploymentId) => {
          const status = await parts.disk.status(`${directory}/${deploymentId}`);
          return { deploymentId, modifiedAt: status?.modifiedAt ?? 0 };
        }),
      );
      const installed = Object.values(state.installed);
      const needed = new Set([
        ...installed.map((revision) => revision.deploymentId),
        ...state.deployments.map((deployment) => deployment.assignment.deploymentId),
      ]);
      const { current, previous } = countedOn(installed);
      const unpackedOnly = await parts.retainBundles(new Set([...current, ...previous]));
      // What a rollback needs is in the cache, packed, or in its deployment's directory alone.
      if ([...previous].some((digest) => unpackedOnly.has(digest)))
        for (const { deploymentId } of found) {
          const digest = await digestOfUnpacked(parts.disk, `${directory}/${deploymentId}`);
          if (digest !== null && unpackedOnly.has(digest) && !current.has(digest)) needed.add(deploymentId);
        }
      // Output that the coordinator does not have yet lies there alone. To a clock that was set back the deployment of now is the oldest.
      const unsent = state.unsentOutput.map((output) => output.deploymentId);
      const kept = new Set([...needed, ...unsent]);
      const outdated = new Set(outdatedDeployments(found, { needed: kept, maxRevisions: parts.maxRevisions }));
      for (const { deploymentId } of found)
        if (outdated.has(deploymentId)) await parts.disk.removeTree(`${directory}/${deploymentId}`);
        // Only the installed revision's own scripts may still be wanted.
        else if (!needed.has(deploymentId))
          await parts.disk.removeTree(`${directory}/${deploymentId}/${ARCHIVE_DIRECTORY}`);
    } catch (error) {
      // Tidying is tried again after the next deployment.
      logger.warn({ deploymentGroupId: groupId, reason: errorMessage(error) }, 'old deployments not removed');
    }
  }

  return {
    async accept(assignment) {
      const { deploymentId } = assignment;
      if (findDeployment(journal.state, deploymentId) !== undefined) return 'repeated';
      // Nothing may be awaited before the append: the same assignment can come twice in one breath.
      if (reportAgain(assignment)) {
        await journal.commit();
        return 'repeated';
      }
      const refusal = refusalOf(assignment);
      if (refusal !== null) {
        logger.error({ deploymentId, reason: refusal }, 'assignment refused');
        finishNow(assignment, { status: 'Failed', message: refusal });
        await journal.commit();
        return 'refused';
      }
      if (journal.state.deployments.length >= MAX_QUEUED) {
        logger.warn({ deploymentId, queued: MAX_QUEUED }, 'assignment not accepted: too many are waiting');
        return 'full';
      }
      journal.append({
        kind: 'accepted',
        assignment,
        report: { kind: 'accepted', sequence: journal.nextSequence(), deploymentId, at: parts.clock.now() },
      });
      await journal.commit();
      logger.info({ deploymentId, revision: assignment.revision.label }, 'assignment accepted');
      // Not before: until then it can be cancelled, and a disk that hangs makes that long.
      wake();
      return 'accepted';
    },

    async cancel({ deploymentId, deploymentGroupId, reason }) {
      const deployment = findDeployment(journal.state, deploymentId);
      if (deployment?.isBegun === true) return;
      const about = { deploymentId, deploymentGroupId: deployment?.assignment.deploymentGroupId ?? deploymentGroupId };
      if (deployment === undefined && reportAgain(about)) return journal.commit();
      // Also for one that never arrived: the answer is the same, and an assignment that comes late finds it.
      finishNow(about, { status: 'Skipped', message: `cancelled before it began: ${reason}` });
      await journal.commit();
      logger.info({ deploymentId, reason }, 'deployment cancelled before it began');
    },

    start() {
      isStarted = true;
      if (journal.state.deployments.length > 0) wake();
    },
    running: () => running,
    async stop() {
      stopping.abort();
      await working;
    },
    async idle() {
      while (working !== null) await working;
    },
  };
}

/** What no step could deal with. */
function refusalOf(assignment: Assignment): string | null {
  if (!isPathSegment(assignment.deploymentGroupId))
    return `the deployment group id ${JSON.stringify(assignment.deploymentGroupId.slice(0, 128))} cannot name a directory`;
  if (new Set(assignment.lifecycleEvents).size !== assignment.lifecycleEvents.length)
    return 'a lifecycle event is in the assignment twice';
  return null;
}

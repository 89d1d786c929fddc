import { invariant, unreachable } from '../../shared/core/invariant.ts';
import { type InstalledRevision, MAX_INSTALLED, type Report } from '../../shared/protocol/messages.ts';
import type { DeploymentProgress, EventProgress, JournalRecord, JournalState, ScriptProgress } from './records.ts';

/** Deployments that are remembered after their end, so that a repeated assignment is never run twice. */
export const MAX_FINISHED = 1_000;
/** Deployments whose output is kept for sending; older ones are given up. */
const MAX_UNSENT_OUTPUT = 64;

export function emptyState(journalId: string): JournalState {
  return {
    journalId,
    lastSequence: 0,
    acknowledgedSequence: 0,
    deployments: [],
    reports: [],
    finished: [],
    installed: {},
    unsentOutput: [],
  };
}

/**
 * The state after a record. The state's own objects are changed in place (replaying a journal must cost no more than reading
 * it); a record's are taken over.
 */
export function applyRecord(state: JournalState, record: JournalRecord): void {
  switch (record.kind) {
    case 'checkpoint':
      Object.assign(state, record.state);
      return;
    case 'accepted':
      state.deployments.push({
        assignment: record.assignment,
        acceptedAt: record.report.at,
        isBegun: false,
        archive: null,
        events: [],
      });
      addReport(state, record.report);
      return;
    case 'begun':
      theDeployment(state, record.deploymentId).isBegun = true;
      return;
    case 'event-started': {
      const { event, at, timeoutMs } = record;
      theDeployment(state, record.deploymentId).events.push({
        event,
        startedAt: at,
        timeoutMs,
        scripts: [],
        report: null,
      });
      return;
    }
    case 'script-starting':
      theEvent(state, record).scripts[record.index] = record.script;
      return;
    case 'script-timed-out':
      theScript(state, record).isTimedOut = true;
      return;
    case 'script-ended':
      theScript(state, record).ended = record.ended;
      return;
    case 'reboot-requested':
      theScript(state, record).reboot = { requestedAt: record.at, isSettled: false };
      return;
    case 'reboot-settled': {
      const { reboot } = theScript(state, record);
      if (reboot !== undefined) reboot.isSettled = true;
      return;
    }
    case 'bundle-ready':
      theDeployment(state, record.deploymentId).archive = record.archive;
      return;
    case 'installed':
      state.installed[record.deploymentGroupId] = record.revision;
      return;
    case 'install-broken': {
      const revision = state.installed[record.deploymentGroupId];
      if (revision !== undefined) revision.isIntact = false;
      return;
    }
    case 'event-ended':
      applyEventEnd(state, record.report);
      return;
    case 'finished':
      applyFinished(state, record.report);
      return;
    case 'acknowledged':
      state.acknowledgedSequence = Math.max(state.acknowledgedSequence, record.sequence);
      state.reports = state.reports.filter((report) => report.sequence > record.sequence);
      return;
    case 'output-sent':
      state.unsentOutput = state.unsentOutput.filter((output) => output.deploymentId !== record.deploymentId);
      return;
    default:
      unreachable(record);
  }
}

export function findDeployment(state: JournalState, deploymentId: string): DeploymentProgress | undefined {
  return state.deployments.find((deployment) => deployment.assignment.deploymentId === deploymentId);
}

/** The revision whose files a group has on this host; null when none, when it is in pieces, and of an unknown group. */
export function installedRevisionId(state: JournalState, deploymentGroupId: string | undefined): string | null {
  const installed = deploymentGroupId === undefined ? undefined : state.installed[deploymentGroupId];
  return installed?.isIntact === true ? installed.revisionId : null;
}

/** Of every group with an intact one; of more than {@link MAX_INSTALLED} the last. */
export function installedRevisions(state: JournalState): InstalledRevision[] {
  return Object.entries(state.installed)
    .filter(([, revision]) => revision.isIntact)
    .sort(([, a], [, b]) => b.at - a.at)
    .slice(0, MAX_INSTALLED)
    .map(([deploymentGroupId, { deploymentId, revisionId }]) => ({ deploymentGroupId, deploymentId, revisionId }));
}

export function findEvent(deployment: DeploymentProgress, event: string): EventProgress | undefined {
  return deployment.events.find((progress) => progress.event === event);
}

/**
 * The same state under a new journal name, with the waiting reports numbered from 1: for a host that was set back to an
 * older image, whose numbers the coordinator has seen already.
 */
export function renumbered(state: JournalState, journalId: string): JournalState {
  const reports = state.reports.map((report, index) => ({ ...report, sequence: index + 1 }));
  return { ...state, journalId, reports, lastSequence: reports.length, acknowledgedSequence: 0 };
}

function addReport(state: JournalState, report: Report): void {
  invariant(
    report.sequence === state.lastSequence + 1,
    `report ${report.sequence} follows ${state.lastSequence} in the journal`,
  );
  state.lastSequence = report.sequence;
  state.reports.push(report);
}

function applyEventEnd(state: JournalState, report: Extract<Report, { kind: 'event' }>): void {
  addReport(state, report);
  const deployment = theDeployment(state, report.deploymentId);
  const progress = findEvent(deployment, report.event);
  if (progress !== undefined) progress.report = report;
  // A skipped event was never started.
  else deployment.events.push({ event: report.event, startedAt: report.startedAt, timeoutMs: 1, scripts: [], report });
}

function applyFinished(state: JournalState, report: Extract<Report, { kind: 'finished' }>): void {
  addReport(state, report);
  const deployment = findDeployment(state, report.deploymentId);
  if (deployment !== undefined) {
    state.deployments = state.deployments.filter((other) => other !== deployment);
    if (deployment.isBegun) {
      const { deploymentId, deploymentGroupId } = deployment.assignment;
      state.unsentOutput = [...state.unsentOutput, { deploymentId, deploymentGroupId }].slice(-MAX_UNSENT_OUTPUT);
    }
  }
  const others = state.finished.filter((other) => other.deploymentId !== report.deploymentId);
  state.finished = [...others, report].slice(-MAX_FINISHED);
}

function theDeployment(state: JournalState, deploymentId: string): DeploymentProgress {
  const deployment = findDeployment(state, deploymentId);
  invariant(deployment !== undefined, `deployment ${deploymentId} is in the journal`);
  return deployment;
}

function theEvent(state: JournalState, place: { deploymentId: string; event: string }): EventProgress {
  const progress = findEvent(theDeployment(state, place.deploymentId), place.event);
  invariant(progress !== undefined, `event ${place.event} of ${place.deploymentId} is in the journal`);
  return progress;
}

function theScript(state: JournalState, place: { deploymentId: string; event: string; index: number }): ScriptProgress {
  const script = theEvent(state, place).scripts[place.index];
  invariant(script !== undefined, `script ${place.index} of ${place.event} of ${place.deploymentId} is in the journal`);
  return script;
}

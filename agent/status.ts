import { loadIdentity } from './connection/identity.ts';
import type { Layout } from './deployment/layout.ts';
import type { Disk } from './host/disk.ts';
import type { ProcessRunner } from './host/process-runner.ts';
import { readJournal } from './journal/journal.ts';
import { type AgentStatus, readStatusFile } from './status-file.ts';

/** What `drover-agent status` tells; the shape of its `--json`. */
export interface StatusReport {
  version: string;
  host: { id: string; name: string; coordinatorUrl: string } | null;
  agent: { isRunning: boolean; pid: number | null; connection: AgentStatus['connection'] | null };
  running: AgentStatus['running'];
  journal: {
    journalId: string;
    waitingDeployments: string[];
    unacknowledgedReports: number;
    finishedDeployments: number;
  } | null;
  installed: {
    deploymentGroupId: string;
    revision: string;
    deploymentId: string;
    at: number;
    isIntact: boolean;
    /** Null of what an earlier agent has installed. */
    application: string | null;
    deploymentGroupName: string | null;
  }[];
}

export async function collectStatus(
  parts: { disk: Disk; processes: ProcessRunner; version: string },
  layout: Layout,
): Promise<StatusReport> {
  const [identity, file, state] = await Promise.all([
    loadIdentity(parts.disk, layout.identity),
    readStatusFile(parts.disk, layout.status),
    readJournal(parts.disk, layout.journal),
  ]);
  const isRunning = file?.process != null && (await parts.processes.isRunning(file.process));
  const enrolment = identity?.enrolment ?? null;
  return {
    version: parts.version,
    host:
      enrolment === null
        ? null
        : { id: enrolment.hostId, name: enrolment.hostName, coordinatorUrl: enrolment.coordinatorUrl },
    agent: {
      isRunning,
      pid: isRunning ? (file?.process?.pid ?? null) : null,
      // What a process that has ended said last is not true any more.
      connection: isRunning ? (file?.connection ?? null) : null,
    },
    running: isRunning ? (file?.running ?? null) : null,
    journal:
      state === null
        ? null
        : {
            journalId: state.journalId,
            waitingDeployments: state.deployments.map((deployment) => deployment.assignment.deploymentId),
            unacknowledgedReports: (isRunning ? file?.unacknowledgedReports : undefined) ?? state.reports.length,
            finishedDeployments: state.finished.length,
          },
    installed: Object.entries(state?.installed ?? {}).map(([deploymentGroupId, revision]) => ({
      deploymentGroupId,
      revision: revision.revisionLabel,
      deploymentId: revision.deploymentId,
      at: revision.at,
      isIntact: revision.isIntact,
      application: revision.groupName?.application ?? null,
      deploymentGroupName: revision.groupName?.deploymentGroupName ?? null,
    })),
  };
}

export function renderStatus(report: StatusReport): string {
  const { host, agent, running, journal } = report;
  const connection = agent.connection;
  const lines = [
    `drover-agent ${report.version}`,
    host === null ? 'host        not enrolled' : `host        ${host.name} (${host.id}) at ${host.coordinatorUrl}`,
    agent.isRunning ? `agent       running, process ${agent.pid}` : 'agent       not running',
    ...(connection === null
      ? []
      : [
          `connection  ${connection.state}${connection.transport === null ? '' : ` over ${connection.transport}`} since ${new Date(connection.since).toISOString()}${connection.reason === null ? '' : `: ${connection.reason}`}`,
        ]),
    running === null ? 'deployment  none is running' : `deployment  ${running.deploymentId}: ${running.event}`,
    ...(journal === null
      ? []
      : [
          `journal     ${journal.waitingDeployments.length} unfinished deployments, ${journal.unacknowledgedReports} reports to send`,
        ]),
    ...report.installed.map(
      (revision) =>
        `installed   ${revision.revision} in group ${shownGroup(revision.deploymentGroupId, revision)} (${revision.deploymentId})${revision.isIntact ? '' : ', not intact: an install that failed, or one of another group, has changed its files'}`,
    ),
  ];
  return `${lines.join('\n')}\n`;
}

/** `web/prod`, or the id where the names are not known. */
export function shownGroup(
  groupId: string,
  { application, deploymentGroupName }: { application: string | null; deploymentGroupName: string | null },
): string {
  return application === null || deploymentGroupName === null ? groupId : `${application}/${deploymentGroupName}`;
}

import type { Logger } from '../../../shared/core/logger.ts';
import { AGENT_APPLICATION, AGENT_GROUP } from '../../../shared/model/agent-update.ts';
import { type InsertParts, insertDeployment } from '../../engine/new-deployment.ts';
import {
  type AgentUpdateDecision,
  type AgentUpdateView,
  decideAgentUpdate,
  type WaveProgress,
} from '../../rollout/agent-update.ts';
import type { DatabaseTransaction, Queryable } from '../../storage/database.ts';
import { packagesOfUpdate, settingsOfUpdate } from '../../storage/rows/agent-updates.ts';
import { insertAudit } from '../../storage/rows/audit.ts';
import { deploymentGroupRow } from '../../storage/rows/deployment-groups.ts';
import type { AgentUpdateRow } from '../../storage/tables.ts';
import { judgeFleet } from './agent-fleet.ts';

/** Names in the sentence about hosts that did not connect. */
const MAX_UNCONFIRMED = 5;

export interface Advanced {
  decision: AgentUpdateDecision;
  /** What was started. */
  deploymentId: string | null;
  /** The deployment of the wave that is under way. */
  watched: string | null;
}

interface Parts {
  insertParts: InsertParts;
  logger: Logger;
}

/** Loads what there is to know about the update that is under way, decides, and writes the decision. Null: there is none. */
export async function advanceAgentUpdate(tx: DatabaseTransaction, parts: Parts, now: number): Promise<Advanced | null> {
  const row = await tx.query
    .selectFrom('agent_updates')
    .selectAll()
    .where('status', '=', 'InProgress')
    .executeTakeFirst();
  if (row === undefined) return null;
  const { view, waiting } = await loadView(tx.query, row);
  const decision = decideAgentUpdate(view, now);
  const last = view.progress.at(-1);
  const watched = last !== undefined && last.ended === null ? last.deploymentId : null;
  switch (decision.kind) {
    case 'start-wave': {
      const hosts = waiting.slice(0, decision.hosts);
      const deploymentId = await startWave(tx, parts, { row, number: view.progress.length + 1, hosts, decision }, now);
      return { decision, deploymentId, watched: deploymentId };
    }
    case 'end':
      await tx.query
        .updateTable('agent_updates')
        .set({ status: decision.status, message: decision.message, completed_at: now })
        .where('id', '=', row.id)
        .execute();
      await insertAudit(tx.query, {
        at: now,
        caller: { kind: 'coordinator' },
        action: 'agent-update.end',
        subject: row.id,
        details: { version: row.version, status: decision.status, message: decision.message },
      });
      parts.logger.info({ agentUpdateId: row.id, status: decision.status }, 'agent update ended');
      return { decision, deploymentId: null, watched: null };
    case 'wait':
    case 'stop-deployment':
      return { decision, deploymentId: null, watched };
  }
}

interface WaitingHost {
  hostId: string;
  hostName: string;
}

async function loadView(
  query: Queryable,
  row: AgentUpdateRow,
): Promise<{ view: AgentUpdateView; waiting: WaitingHost[] }> {
  const { waves, budget } = settingsOfUpdate(row);
  const progress = await loadProgress(query, row);
  const view: AgentUpdateView = {
    version: row.version,
    waves,
    budget,
    totalHosts: row.total_hosts,
    stopRequestedBy: row.stop_requested_by,
    progress,
    waiting: { online: 0, reconnecting: 0, offline: 0 },
  };
  // While a wave is under way nobody asks who waits, and asking means looking at every host.
  const last = progress.at(-1);
  if (last !== undefined && last.ended === null) return { view, waiting: [] };
  const hadTheirTurn = await hostsOfWaves(query, row.id);
  const waiting: WaitingHost[] = [];
  const packages = packagesOfUpdate(row);
  for (const one of await judgeFleet(query, { version: row.version, packages, downgrade: row.downgrade === 1 })) {
    if (one.judgement !== 'outdated' || hadTheirTurn.has(one.hostId)) continue;
    if (one.presence === 'Online') waiting.push({ hostId: one.hostId, hostName: one.hostName });
    else if (one.presence === 'Reconnecting') view.waiting.reconnecting++;
    else view.waiting.offline++;
  }
  view.waiting.online = waiting.length;
  return { view, waiting };
}

async function loadProgress(query: Queryable, row: AgentUpdateRow): Promise<WaveProgress[]> {
  const rows = await query
    .selectFrom('agent_update_waves as w')
    .innerJoin('deployments as d', 'd.id', 'w.deployment_id')
    .select(['w.number', 'w.hosts', 'd.id', 'd.status', 'd.is_active', 'd.completed_at', 'd.stop_requested_at'])
    .select(['d.count_failed'])
    .where('w.update_id', '=', row.id)
    .orderBy('w.number')
    .execute();
  const unconfirmed = await unconfirmedHosts(query, rows.at(-1), row.version);
  return rows.map((wave, index) => ({
    deploymentId: wave.id,
    ended: wave.is_active === 1 ? null : { status: endOf(wave.status), at: wave.completed_at ?? 0 },
    isStopping: wave.stop_requested_at !== null,
    hosts: wave.hosts,
    failed: wave.count_failed,
    unconfirmed: index === rows.length - 1 ? unconfirmed : [],
  }));
}

function endOf(status: string): 'Succeeded' | 'Failed' | 'Stopped' {
  return status === 'Succeeded' || status === 'Stopped' ? status : 'Failed';
}

async function unconfirmedHosts(
  query: Queryable,
  wave: { id: string; is_active: number } | undefined,
  version: string,
): Promise<string[]> {
  if (wave === undefined || wave.is_active === 1) return [];
  const rows = await query
    .selectFrom('targets as t')
    .innerJoin('hosts as h', 'h.id', 't.host_id')
    .select('h.name')
    .where('t.deployment_id', '=', wave.id)
    .where('t.status', '=', 'Succeeded')
    .where((e) => e.or([e('h.agent_version', 'is', null), e('h.agent_version', '<>', version)]))
    .orderBy('h.name')
    .limit(MAX_UNCONFIRMED)
    .execute();
  return rows.map((host) => host.name);
}

async function hostsOfWaves(query: Queryable, updateId: string): Promise<Set<string>> {
  const rows = await query
    .selectFrom('agent_update_waves as w')
    .innerJoin('targets as t', 't.deployment_id', 'w.deployment_id')
    .select('t.host_id')
    .where('w.update_id', '=', updateId)
    .execute();
  return new Set(rows.map((target) => target.host_id));
}

async function startWave(
  tx: DatabaseTransaction,
  parts: Parts,
  wave: {
    row: AgentUpdateRow;
    number: number;
    hosts: readonly WaitingHost[];
    decision: Extract<AgentUpdateDecision, { kind: 'start-wave' }>;
  },
  now: number,
): Promise<string> {
  const { row, number, hosts, decision } = wave;
  const group = await deploymentGroupRow(tx.query, { application: AGENT_APPLICATION, group: AGENT_GROUP });
  const revision = await tx.query
    .selectFrom('revisions')
    .selectAll()
    .where('id', '=', row.revision_id)
    .executeTakeFirstOrThrow();
  const minimum = hosts.length - decision.atOnce;
  const { id } = await insertDeployment(
    tx,
    parts.insertParts,
    {
      group,
      revision,
      creator: 'user',
      createdBy: row.created_by,
      description: `Agent update ${row.id}, wave ${number}`,
      configName: 'CodeDeployDefault.OneAtATime',
      minimum: { type: 'MOST_CONCURRENCY', value: 1 },
      // A bound on how many are out at once, in hosts: not a number that must stay whatever becomes of the others.
      minimumCount: minimum,
      targets: hosts.map((host) => ({ ...host, wasHealthy: true })),
      alreadyCurrentHosts: 0,
      ignoreApplicationStopFailures: true,
      updateOutdatedInstancesOnly: false,
      fileExistsBehavior: 'OVERWRITE',
      // Each host puts its old version back by itself.
      autoRollback: { enabled: false, events: [] },
      hookEnvironment: { DROVER_HEALTHY_WITHIN_SECONDS: String(settingsOfUpdate(row).healthyWithinSeconds) },
      isPartial: true,
      idempotencyKey: `agent-update:${row.id}:${number}`,
      followsDeploymentId: null,
      rollbackTriggeringDeploymentId: null,
    },
    now,
  );
  await tx.query
    .insertInto('agent_update_waves')
    .values({ update_id: row.id, number, deployment_id: id, hosts: hosts.length })
    .execute();
  await insertAudit(tx.query, {
    at: now,
    caller: { kind: 'coordinator' },
    action: 'deployment.create',
    subject: id,
    details: { agentUpdate: row.id, wave: number, version: row.version, hosts: hosts.length, atOnce: decision.atOnce },
  });
  parts.logger.info(
    { agentUpdateId: row.id, deploymentId: id, wave: number, hosts: hosts.length },
    'agent update wave started',
  );
  return id;
}

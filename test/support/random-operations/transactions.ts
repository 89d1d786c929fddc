import type { DatabaseTransaction } from '../../../coordinator/storage/database.ts';
import type { WorldHost } from '../engine-world.ts';
import type { Play } from './play.ts';

interface Started {
  id: number;
  deployment_id: string;
  host_id: string;
  host_name: string;
  was_healthy: number;
}
interface DeploymentFacts {
  id: string;
  group_id: string;
  creator: string;
  minimum_count: number | null;
  triggered_by: string | null;
  /** What its group says now. */
  settings: string;
}
/** One that counts in a deployment: it is deployed to, or a rollback has left it alone. */
interface FleetHost {
  host_id: string;
  host_name: string;
  presence: string;
  /** As the group knows it; null of one that is not in it. */
  instance_health: string | null;
}

/** Looks at every transaction before it is committed: whom it takes out of service, and which deployments it makes. */
export function watchTransactions(play: Play): void {
  const { database } = play.world;
  const { transaction } = database;
  database.transaction = (work) =>
    transaction(async (tx) => {
      const running = await targetsInProgress(tx);
      const number = await lastNumber(tx);
      const result = await work(tx);
      const known = new Set(running.map(({ id }) => id));
      const started = (await targetsInProgress(tx)).filter(({ id }) => !known.has(id));
      if (started.length > 0) await checkStarts(play, tx, { started, running });
      for (const deployment of await deploymentsWhere(tx, 'd.number > ?', number)) await checkNew(play, tx, deployment);
      return result;
    });
}

async function checkStarts(
  play: Play,
  tx: DatabaseTransaction,
  { started, running }: { started: readonly Started[]; running: readonly Started[] },
): Promise<void> {
  const healthy = started.filter(({ was_healthy }) => was_healthy === 1);
  for (const id of new Set(healthy.map(({ deployment_id }) => deployment_id))) {
    const [deployment] = await deploymentsWhere(tx, 'd.id = ?', id);
    // A host that is brought in by itself has no fleet; and a group that was deleted promises nothing.
    if (deployment === undefined || deployment.creator === 'autoscaling') continue;
    await checkMinimumByRows(play, tx, deployment);
    const taken = healthy.filter(({ deployment_id }) => deployment_id === id);
    await checkMinimumByDeeds(play, tx, { deployment, taken, running });
  }
}

/** I1 as the rows have it: a healthy host that starts leaves the minimum in service. */
async function checkMinimumByRows(play: Play, tx: DatabaseTransaction, deployment: DeploymentFacts): Promise<void> {
  const [count] = await tx.selectRaw<{ in_service: number }>(
    `SELECT
       (SELECT count(*) FROM targets t JOIN hosts h ON h.id = t.host_id WHERE t.deployment_id = ?
          AND (t.status = 'Succeeded' OR (t.status = 'Pending' AND t.was_healthy = 1)) AND h.presence <> 'Offline')
       + (SELECT count(*) FROM targets t JOIN hosts h ON h.id = t.host_id WHERE t.deployment_id = ?
          AND h.presence <> 'Offline'
          AND NOT EXISTS (SELECT 1 FROM targets c WHERE c.deployment_id = ? AND c.host_id = t.host_id)) AS in_service`,
    [deployment.id, deployment.triggered_by, deployment.id],
  );
  const minimum = deployment.minimum_count ?? 0;
  if (count === undefined || count.in_service < minimum)
    play.broken.push(`${deployment.id} started a healthy host and left ${count?.in_service} of ${minimum} by its rows`);
}

/** I1 as the hosts have it: whoever takes one that served leaves the minimum serving, whatever the rows say. */
async function checkMinimumByDeeds(
  play: Play,
  tx: DatabaseTransaction,
  moment: { deployment: DeploymentFacts; taken: readonly Started[]; running: readonly Started[] },
): Promise<void> {
  const { deployment, taken } = moment;
  const fleet = await fleetOf(tx, deployment);
  const wereAtWork = new Set(moment.running.map(({ host_id }) => host_id));
  const areAtWork = new Set((await targetsInProgress(tx)).map(({ host_id }) => host_id));
  const served = taken.filter(({ host_id }) =>
    fleet.some((host) => host.host_id === host_id && !wereAtWork.has(host_id) && hasServed(play, host)),
  );
  if (served.length === 0) return;
  const serving = fleet.filter((host) => !areAtWork.has(host.host_id) && serves(play, host, deployment));
  const minimum = deployment.minimum_count ?? 0;
  if (serving.length >= minimum) return;
  const names = (hosts: readonly { host_name: string }[]) => hosts.map(({ host_name }) => host_name).join(', ');
  play.broken.push(
    `${deployment.id} (${deployment.creator}) took ${names(served)}, of ${names(fleet)} only (${names(serving)}) serve, and ${minimum} must`,
  );
}

/** By what it did last. */
function hasServed({ world }: Play, { host_id, presence }: FleetHost): boolean {
  const host = world.hosts.get(host_id);
  if (host === undefined || presence === 'Offline' || host.unfinished.size > 0) return false;
  return lastEndOf(host)?.hasSucceeded === true;
}

/** A host that another group has broken is as its own group left it, unless it has come anew and nothing is known of it yet. */
function serves(play: Play, { host_id, presence, instance_health }: FleetHost, { group_id }: DeploymentFacts): boolean {
  const host = play.world.hosts.get(host_id);
  if (host === undefined || presence === 'Offline' || host.unfinished.size > 0) return false;
  const last = lastEndOf(host);
  if (last === null) return false;
  return last.hasSucceeded || (play.groupOf.get(last.deploymentId) !== group_id && instance_health !== 'Unknown');
}

/** The last deployment that has changed the host, whether the coordinator has heard of it or not. */
function lastEndOf({ ends }: WorldHost): { deploymentId: string; hasSucceeded: boolean } | null {
  let last: { deploymentId: string; hasSucceeded: boolean; sequence: number } | null = null;
  for (const [deploymentId, report] of ends) {
    if (report.kind !== 'finished' || report.status === 'Skipped' || report.sequence < (last?.sequence ?? 0)) continue;
    last = { deploymentId, hasSucceeded: report.status === 'Succeeded', sequence: report.sequence };
  }
  return last;
}

async function checkNew(play: Play, tx: DatabaseTransaction, deployment: DeploymentFacts): Promise<void> {
  if (deployment.creator === 'CodeDeployAutoUpdate' && deployment.settings.includes('"IGNORE"'))
    play.broken.push(`${deployment.id} brings outdated hosts what their group says they are to be left without`);
  if (deployment.triggered_by === null) return;
  for (const { host_id, host_name } of await takenForBroken(tx, deployment)) {
    const host = play.world.hosts.get(host_id);
    const last = host === undefined || host.outbox.length > 0 ? null : lastEndOf(host);
    if (last?.hasSucceeded && last.deploymentId === deployment.triggered_by)
      play.broken.push(`${deployment.id} takes ${host_name} for broken, which has told that it serves`);
  }
}

/** By a rollback: of those on which nothing was begun after the deployment that it is to undo. */
function takenForBroken(
  tx: DatabaseTransaction,
  { id, triggered_by }: DeploymentFacts,
): Promise<{ host_id: string; host_name: string }[]> {
  return tx.selectRaw(
    `SELECT t.host_id, t.host_name FROM targets t JOIN targets f ON f.host_id = t.host_id AND f.deployment_id = ?
     WHERE t.deployment_id = ? AND t.was_healthy = 0 AND NOT EXISTS (
       SELECT 1 FROM targets l WHERE l.host_id = t.host_id AND l.started_at IS NOT NULL AND l.id <> f.id
         AND (l.status = 'InProgress' OR l.change_sequence > f.change_sequence))`,
    [triggered_by, id],
  );
}

function targetsInProgress(tx: DatabaseTransaction): Promise<Started[]> {
  return tx.selectRaw(
    `SELECT id, deployment_id, host_id, host_name, was_healthy FROM targets WHERE status = 'InProgress'`,
    [],
  );
}

async function lastNumber(tx: DatabaseTransaction): Promise<number> {
  const [last] = await tx.selectRaw<{ number: number | null }>('SELECT max(number) AS number FROM deployments', []);
  return last?.number ?? 0;
}

function deploymentsWhere(
  tx: DatabaseTransaction,
  condition: string,
  value: string | number,
): Promise<DeploymentFacts[]> {
  return tx.selectRaw(
    `SELECT d.id, d.group_id, d.creator, d.minimum_count, d.rollback_triggering_deployment_id AS triggered_by, g.settings
     FROM deployments d JOIN deployment_groups g ON g.id = d.group_id WHERE ${condition}`,
    [value],
  );
}

function fleetOf(tx: DatabaseTransaction, { id, group_id, triggered_by }: DeploymentFacts): Promise<FleetHost[]> {
  return tx.selectRaw(
    `SELECT h.id AS host_id, h.name AS host_name, h.presence, m.instance_health
     FROM targets t JOIN hosts h ON h.id = t.host_id
     LEFT JOIN group_hosts m ON m.group_id = ? AND m.host_id = h.id
     WHERE t.deployment_id = ? OR (t.deployment_id = ?
       AND NOT EXISTS (SELECT 1 FROM targets c WHERE c.deployment_id = ? AND c.host_id = h.id))`,
    [group_id, id, triggered_by, id],
  );
}

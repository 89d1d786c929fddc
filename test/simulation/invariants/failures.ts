import type { History } from '../history.ts';
import type { SeenDeployment } from '../observer.ts';
import { promisedMinimum, promisedOfThoseLeft } from './minimum.ts';

interface Counts {
  failed: number;
  succeeded: number;
  skipped: number;
}

const COUNTS = `SELECT coalesce(sum(t.status = 'Failed'), 0) AS failed, coalesce(sum(t.status = 'Succeeded'), 0) AS succeeded,
    coalesce(sum(t.status = 'Skipped'), 0) AS skipped
  FROM targets t WHERE t.deployment_id = ?`;
const BROKEN_AND_SKIPPED = `SELECT count(*) AS count FROM targets
  WHERE deployment_id = ? AND status = 'Skipped' AND was_healthy = 0`;
const AWAY = `SELECT count(DISTINCT h.id) AS count FROM hosts h JOIN targets t ON t.host_id = h.id
  WHERE t.deployment_id IN (?, ?) AND h.presence = 'Offline'`;

/**
 * I6, when a deployment begins to fail of its health constraints: as many hosts have failed as may, or hosts that count as in service are
 * away (docs/rollout.md, The arithmetic). One that still could go on is not given up.
 */
export function checkBeginsToFail({ world, observer, violate }: History, deployment: SeenDeployment): void {
  const find = (id: string) => observer.deployments.get(id);
  const { id, creator, errorCode, total, triggeredBy } = deployment;
  if (errorCode === 'HEALTH_CONSTRAINTS_INVALID') {
    const minimum = promisedMinimum(world.plan, deployment, find);
    if (total > minimum) violate('I6', `${id} cannot begin, it says: ${minimum} of ${total} are to stay`);
    return;
  }
  const counts = countsOf(world, deployment);
  const { left, minimum } = promisedOfThoseLeft(world.plan, world.database.look, deployment, find);
  const away = world.database.look.prepare<[string, string | null], { count: number }>(AWAY).get(id, triggeredBy);
  if (counts.skipped > 0 && left - minimum - counts.failed > 0 && away?.count === 0)
    violate('I6', `${id} gives up, and ${counts.failed} of ${left} hosts have failed: it promises to leave ${minimum}`);
  if (creator !== 'codeDeployRollback' || away?.count !== 0) return;
  // It heals: those that it could not heal keep no other one from it.
  const broken = world.database.look.prepare<[string], { count: number }>(BROKEN_AND_SKIPPED).get(id);
  if (broken !== undefined && broken.count > 0)
    violate('I5', `${id} gives up, and ${broken.count} hosts that are down have not had their turn`);
}

/** I6, when a deployment has failed without having given up: too few hosts run it. A rollback has to heal all that it can reach. */
export function checkFailure({ world, observer, violate }: History, deployment: SeenDeployment): void {
  const { id, creator, errorCode, total } = deployment;
  if (errorCode !== 'HEALTH_CONSTRAINTS' || creator === 'codeDeployRollback') return;
  const counts = countsOf(world, deployment);
  if (counts.skipped > 0) return;
  const find = (other: string) => observer.deployments.get(other);
  const { left, minimum } = promisedOfThoseLeft(world.plan, world.database.look, deployment, find);
  const runs = counts.succeeded - (total - left);
  if (runs === left || runs >= Math.max(1, minimum))
    violate('I6', `${id} is Failed, and ${runs} of ${left} hosts run it: ${minimum} are enough`);
}

function countsOf({ database }: History['world'], { id }: SeenDeployment): Counts {
  const counts = database.look.prepare<[string], Counts>(COUNTS).get(id);
  if (counts === undefined) throw new Error('a sum is always one row');
  return counts;
}

import { AGENT_APPLICATION } from '../../../shared/model/agent-update.ts';
import type { History } from '../history.ts';
import type { Plan } from '../plan.ts';
import type { DurableDatabase } from '../world/durable-database.ts';

/** A deployment config as docs/rollout.md tells it. */
type Promised = { type: 'HOST_COUNT' | 'FLEET_PERCENT'; value: number } | { type: 'ALL_BUT_ONE' };

/** What is stored of the deployment, as far as its promise depends on it. */
interface Deployment {
  id: string;
  application: string;
  creator: string;
  configName: string;
  total: number;
  triggeredBy: string | null;
}

/**
 * The hosts that a deployment promises to leave in service. Written from the page and not from the coordinator's code, whose own number
 * would agree with its own mistakes: only the config's name and the number of hosts come from what is stored.
 */
export function promisedMinimum(
  plan: Plan,
  deployment: Deployment,
  find: (id: string) => Deployment | undefined,
): number {
  const { creator, total, application } = deployment;
  if (application === AGENT_APPLICATION) return total - agentBudget(plan, total);
  if (creator === 'autoscaling') return 0;
  const answered = deployment.triggeredBy === null ? undefined : find(deployment.triggeredBy);
  // The same minimum of the same fleet; of those that are left when hosts were forgotten meanwhile, of whom one may be out as before.
  if (answered !== undefined && answered.total === total) return promisedMinimum(plan, answered, find);
  const promised = promisedBy(plan, deployment.configName);
  const minimum = hostsThatStay(promised, total);
  if (answered !== undefined && promised.type !== 'HOST_COUNT') return Math.min(minimum, Math.max(0, total - 1));
  // Few hosts that follow on leave at least one to start with.
  return creator === 'CodeDeployAutoUpdate' ? Math.min(minimum, total - 1) : minimum;
}

/**
 * Of the hosts that the deployment counts, those that are left, and what it promises of them: a host that was forgotten after it had the
 * revision, or that a rollback had left alone, is of no fleet any more.
 */
export function promisedOfThoseLeft(
  plan: Plan,
  look: DurableDatabase['look'],
  deployment: Deployment,
  find: (id: string) => Deployment | undefined,
): { left: number; minimum: number } {
  const { id, total, triggeredBy } = deployment;
  const own = look
    .prepare<[string], { all: number; forgotten: number | null }>(
      `SELECT count(*) AS "all", sum(t.status = 'Succeeded' AND h.id IS NULL) AS forgotten
       FROM targets t LEFT JOIN hosts h ON h.id = t.host_id WHERE t.deployment_id = ?`,
    )
    .get(id);
  const leftAlone = look
    .prepare<[string, string | null], { here: number }>(
      `SELECT count(*) AS here FROM targets t JOIN hosts h ON h.id = t.host_id
       LEFT JOIN targets own ON own.deployment_id = ? AND own.host_id = t.host_id WHERE t.deployment_id = ? AND own.id IS NULL`,
    )
    .get(id, triggeredBy);
  const targets = own?.all ?? 0;
  const forgotten = (own?.forgotten ?? 0) + (total - targets) - (total === targets ? 0 : (leftAlone?.here ?? 0));
  if (forgotten === 0) return { left: total, minimum: promisedMinimum(plan, deployment, find) };
  const left = total - forgotten;
  if (deployment.application === AGENT_APPLICATION)
    return { left, minimum: Math.max(0, left - agentBudget(plan, total)) };
  const config = promisedMinimum(plan, { ...deployment, total: left, triggeredBy: null }, find);
  // A count of hosts is one whatever the fleet; of a part of it, one host may be out as long as one could be before.
  const isCount = promisedBy(plan, deployment.configName).type === 'HOST_COUNT';
  return { left, minimum: isCount ? config : Math.min(config, Math.max(0, left - 1)) };
}

/** How many hosts of a wave of an agent update may be out at once, or have failed (docs/install.md, Updating the agents of a fleet). */
export function agentBudget({ agentUpdates }: Plan, hosts: number): number {
  if (agentUpdates === undefined) throw new Error('the plan updates no agents');
  return hostsInShare(agentUpdates.budget, hosts);
}

/** Of `10%` or `5`: found by counting, one at least, and all at most. */
export function hostsInShare(share: string, hosts: number): number {
  const value = Number.parseInt(share, 10);
  let count = 1;
  while (count < hosts && (share.endsWith('%') ? 100 * count < value * hosts : count < value)) count++;
  return count;
}

/** The stored minimum is the promised one, when a deployment is seen for the first time. */
export function checkMinimum(
  { world, observer, violate }: History,
  deployment: Deployment & { minimum: number },
): void {
  const promised = promisedMinimum(world.plan, deployment, (id) => observer.deployments.get(id));
  if (deployment.minimum !== promised)
    violate(
      'I1',
      `${deployment.id} (${deployment.creator}) is to leave ${deployment.minimum} of ${deployment.total} hosts in service, ` +
        `but ${deployment.configName} promises ${promised}`,
    );
}

function hostsThatStay(promised: Promised, hosts: number): number {
  if (promised.type === 'HOST_COUNT') return promised.value;
  if (promised.type === 'ALL_BUT_ONE') return Math.max(0, hosts - 1);
  if (hosts <= 1) return 0;
  // The smallest whole number of hosts that is so many percent of them, found by counting.
  let minimum = 0;
  while (100 * minimum < promised.value * hosts) minimum++;
  return minimum;
}

function promisedBy(plan: Plan, configName: string): Promised {
  switch (configName) {
    case 'CodeDeployDefault.OneAtATime':
      return { type: 'ALL_BUT_ONE' };
    case 'CodeDeployDefault.HalfAtATime':
      return { type: 'FLEET_PERCENT', value: 50 };
    case 'CodeDeployDefault.AllAtOnce':
      return { type: 'HOST_COUNT', value: 0 };
    default: {
      const own = plan.groups.find((group) => group.configName === configName)?.minimum;
      if (own === undefined || own === null) throw new Error(`the plan has no config ${configName}`);
      return own;
    }
  }
}

import type { History } from './history.ts';
import type { PlannedGroup } from './plan.ts';

/** The first two hosts of a group, as it stands. */
export function partOf({ world }: History, group: PlannedGroup): string[] {
  return world.database.look
    .prepare<[string, string], { name: string }>(
      `SELECT h.name FROM group_hosts m JOIN hosts h ON h.id = m.host_id JOIN deployment_groups g ON g.id = m.group_id
       WHERE g.application = ? AND g.name = ? ORDER BY h.name LIMIT 2`,
    )
    .all(group.application, group.name)
    .map((row) => row.name);
}

export function isRunningOn({ world }: History, hostId: string): boolean {
  return (
    world.database.look
      .prepare<[string], { id: number }>(`SELECT id FROM targets WHERE host_id = ? AND status = 'InProgress'`)
      .get(hostId) !== undefined
  );
}

/** Its role makes it one of another group of the plan, in which it is not yet. */
export function goesOver({ world }: History, hostId: string, role: string): boolean {
  const member = world.database.look.prepare<[string, string, string], { one: number }>(
    `SELECT 1 AS one FROM group_hosts m JOIN deployment_groups g ON g.id = m.group_id
     WHERE m.host_id = ? AND g.application = ? AND g.name = ?`,
  );
  return world.plan.groups.some(
    ({ application, name, role: own }) => own === role && member.get(hostId, application, name) === undefined,
  );
}

/** It is of the deployment's group no more, and of another one of the application. */
export function hasGoneOver({ world }: History, hostId: string, deploymentId: string): boolean {
  return (
    world.database.look
      .prepare<[string, string], { one: number }>(
        `SELECT 1 AS one FROM deployments d JOIN group_hosts m ON m.host_id = ?
         JOIN deployment_groups g ON g.id = m.group_id AND g.application = d.application AND g.id <> d.group_id
         WHERE d.id = ? AND NOT EXISTS (
           SELECT 1 FROM group_hosts own WHERE own.group_id = d.group_id AND own.host_id = m.host_id)`,
      )
      .get(hostId, deploymentId) !== undefined
  );
}

/** Hosts of the deployment on which its Install was refused since another group has installed there. */
export function refusedForAnothers({ world }: History, deploymentId: string): number {
  const { count } = world.database.look
    .prepare<[string], { count: number }>(
      `SELECT count(*) AS count FROM targets t JOIN lifecycle_events e ON e.target_id = t.id AND e.name = 'Install'
       WHERE t.deployment_id = ? AND e.status = 'Failed' AND e.diagnostics LIKE '%of another deployment group%'`,
    )
    .get(deploymentId) ?? { count: 0 };
  return count;
}

/** It is in no group, and a deployment that is under way has brought it its revision. */
export function comesBack({ world }: History, hostId: string): boolean {
  return (
    world.database.look
      .prepare<[string, string], { id: number }>(
        `SELECT t.id FROM targets t JOIN deployments d ON d.id = t.deployment_id AND d.is_active = 1 AND d.occupies_group = 1
         WHERE t.host_id = ? AND t.status = 'Succeeded' AND NOT EXISTS (SELECT 1 FROM group_hosts m WHERE m.host_id = ?)`,
      )
      .get(hostId, hostId) !== undefined
  );
}

/** Hosts of the deployment that had the revision were forgotten. */
export function isLeftSmaller({ world }: History, deploymentId: string): boolean {
  return (
    world.database.look
      .prepare<[string], { id: string }>('SELECT id FROM deployments WHERE id = ? AND forgotten_hosts > 0')
      .get(deploymentId) !== undefined
  );
}

/** An agent update is under way, all of whose waves so far have ended, and nothing has begun after that. */
export function isBetweenWaves({ world }: History): boolean {
  const { waves } = world.database.look
    .prepare<[], { waves: number }>(
      `SELECT count(*) AS waves FROM agent_updates u WHERE u.status = 'InProgress'
         AND EXISTS (SELECT 1 FROM agent_update_waves w WHERE w.update_id = u.id)
         AND NOT EXISTS (SELECT 1 FROM agent_update_waves w JOIN deployments d ON d.id = w.deployment_id
           WHERE w.update_id = u.id AND d.is_active = 1)`,
    )
    .get() ?? { waves: 0 };
  return waves > 0;
}

/** The agent update that is under way, if one is, and the deployment of its wave that is. */
export function agentUpdateUnderWay({ world }: History): { id: string; wave: string | null } | undefined {
  return world.database.look
    .prepare<[], { id: string; wave: string | null }>(
      `SELECT u.id, (SELECT w.deployment_id FROM agent_update_waves w JOIN deployments d ON d.id = w.deployment_id
         WHERE w.update_id = u.id AND d.is_active = 1) AS wave FROM agent_updates u WHERE u.status = 'InProgress'`,
    )
    .get();
}

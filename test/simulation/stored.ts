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

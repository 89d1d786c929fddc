import type { History } from '../history.ts';

/** What an operator has asked for, as far as the deployment itself shows it. */
interface Asked {
  revision: string;
  /** Null: that of the group. */
  configName: string | null;
  fileExistsBehavior: string;
  onlyOutdated: boolean;
  /** Null: all of the group. */
  hostNames: readonly string[] | null;
}

interface Made {
  revision: string;
  configName: string;
  fileExistsBehavior: string;
  onlyOutdated: number;
  isPart: number;
  members: number;
  isAudited: number;
}

const MADE = `SELECT d.revision_label AS revision, d.config_name AS configName, d.file_exists_behavior AS fileExistsBehavior,
    d.update_outdated_instances_only AS onlyOutdated, d.is_partial AS isPart,
    (SELECT count(*) FROM group_hosts m WHERE m.group_id = d.group_id) AS members,
    EXISTS (SELECT 1 FROM audit a WHERE a.action = 'deployment.create' AND a.subject = d.id) AS isAudited
  FROM deployments d WHERE d.id = ?`;

/** I6, when a deployment is answered: it is what was asked for, to the hosts that were asked for, and the audit record tells of it. */
export function checkMade({ world, violate }: History, id: string, asked: Asked): void {
  const { look } = world.database;
  const made = look.prepare<[string], Made>(MADE).get(id);
  if (made === undefined) return;
  const differs = (what: string, is: string, wanted: string) => {
    if (is !== wanted) violate('I6', `${id} is made with the ${what} ${is}, and was asked for with ${wanted}`);
  };
  differs('revision', made.revision, asked.revision);
  differs('config', made.configName, asked.configName ?? made.configName);
  differs('file behaviour', made.fileExistsBehavior, asked.fileExistsBehavior);
  differs('choice of outdated hosts', String(made.onlyOutdated === 1), String(asked.onlyOutdated));
  if (made.isAudited === 0) violate('I6', `the audit record does not tell who has made ${id}`);
  const targets = look
    .prepare<[string], { name: string; isCurrent: number }>(
      `SELECT t.host_name AS name, coalesce(m.revision_id = d.revision_id AND m.instance_health = 'Healthy', 0) AS isCurrent
       FROM targets t JOIN deployments d ON d.id = t.deployment_id
       LEFT JOIN group_hosts m ON m.group_id = d.group_id AND m.host_id = t.host_id
       WHERE t.deployment_id = ? AND t.status IN ('Pending', 'InProgress')`,
    )
    .all(id);
  const { hostNames, onlyOutdated } = asked;
  if (hostNames !== null && hostNames.length < made.members && made.isPart === 0)
    violate('I5', `${id} was asked for ${hostNames.join(', ')} only, and counts for all of the group`);
  for (const { name, isCurrent } of targets) {
    if (hostNames !== null && !hostNames.includes(name))
      violate('I6', `${id} was asked for ${hostNames.join(', ')} only, and is to ${name}, too`);
    if (onlyOutdated && isCurrent === 1)
      violate('I1', `${id} was asked for outdated hosts only, and takes ${name} out of service, which serves that`);
  }
}

interface Earlier {
  revision: string;
  status: string;
  isPart: number;
}

/**
 * I5, when a rollback by hand is answered: behind what has failed or was stopped it brings back what succeeded in the whole group last, behind a
 * success the last other revision that did. Parts may make a revision good together, which is not told here.
 */
export function checkByHand({ world, violate }: History, id: string): void {
  const { look } = world.database;
  const made = look
    .prepare<[string], { revision: string }>('SELECT revision_label AS revision FROM deployments WHERE id = ?')
    .get(id);
  const earlier = look
    .prepare<[string], Earlier>(
      `SELECT d.revision_label AS revision, d.status, d.is_partial AS isPart FROM deployments d
       JOIN deployments r ON r.group_id = d.group_id AND r.number > d.number
       WHERE r.id = ? AND d.is_active = 0 AND d.creator IN ('user', 'codeDeployRollback') ORDER BY d.number DESC`,
    )
    .all(id);
  const [last] = earlier;
  if (made === undefined || last === undefined || earlier.some(({ isPart }) => isPart === 1)) return;
  const good = earlier.filter(({ status }) => status === 'Succeeded').map(({ revision }) => revision);
  const wanted = last.status === 'Succeeded' ? good.find((revision) => revision !== last.revision) : good[0];
  if (wanted !== undefined && made.revision !== wanted)
    violate(
      'I5',
      `${id}, a rollback by hand behind ${last.revision} (${last.status}), brings back ${made.revision} and not ${wanted}`,
    );
}

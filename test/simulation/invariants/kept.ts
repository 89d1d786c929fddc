import type { History } from '../history.ts';

/**
 * I5 and I6, after what is old was removed: what a rollback needs is there, the revision and its bundle, and so is what is under way and what
 * hosts are said to have.
 */
export function checkKept({ world, violate }: History): void {
  const needed = world.database.look
    .prepare<[], { why: string; revisionId: string; digest: string | null }>(
      `SELECT 'the last good one of ' || g.name AS why, g.last_good_revision_id AS revisionId, r.digest
       FROM deployment_groups g LEFT JOIN revisions r ON r.id = g.last_good_revision_id WHERE g.last_good_revision_id IS NOT NULL
       UNION ALL SELECT 'the one of ' || d.id, d.revision_id, r.digest
       FROM deployments d LEFT JOIN revisions r ON r.id = d.revision_id WHERE d.is_active = 1
       UNION ALL SELECT 'the one on ' || m.host_id, m.revision_id, r.digest
       FROM group_hosts m LEFT JOIN revisions r ON r.id = m.revision_id WHERE m.revision_id IS NOT NULL`,
    )
    .all();
  for (const { why, revisionId, digest } of needed)
    if (digest === null || !world.bundles.bundles.has(digest)) violate('I5', `${revisionId} is removed, ${why}`);
  const succeeded = world.database.look
    .prepare<[], { name: string }>(
      `SELECT g.name FROM deployment_groups g WHERE g.last_successful_deployment_id IS NOT NULL
         AND NOT EXISTS (SELECT 1 FROM deployments d WHERE d.id = g.last_successful_deployment_id)`,
    )
    .all();
  for (const { name } of succeeded) violate('I6', `the last successful deployment of ${name} is removed`);
}

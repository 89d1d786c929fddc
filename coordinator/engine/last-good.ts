import { type FileExistsBehavior, fileExistsBehavior } from '../../shared/model/deployment-group.ts';
import type { DatabaseTransaction } from '../storage/database.ts';
import type { DeploymentGroupRow } from '../storage/tables.ts';

/**
 * A deployment that brings the last good revision again uses the content option that it was deployed with.
 * Source: AWS user guide, "Rollback behavior with existing content".
 */
export async function lastGoodFileExistsBehavior(
  tx: DatabaseTransaction,
  group: DeploymentGroupRow,
): Promise<FileExistsBehavior> {
  if (group.last_successful_deployment_id === null) return 'DISALLOW';
  const row = await tx.query
    .selectFrom('deployments')
    .select('file_exists_behavior')
    .where('id', '=', group.last_successful_deployment_id)
    .executeTakeFirst();
  return row === undefined ? 'DISALLOW' : fileExistsBehavior.parse(row.file_exists_behavior);
}

/** The same for a revision that somebody names: as it was deployed when it succeeded in the group last. */
export async function fileExistsBehaviorOf(
  tx: DatabaseTransaction,
  group: DeploymentGroupRow,
  revisionId: string,
): Promise<FileExistsBehavior> {
  const row = await tx.query
    .selectFrom('deployments')
    .select('file_exists_behavior')
    .where('group_id', '=', group.id)
    .where('revision_id', '=', revisionId)
    .where('status', '=', 'Succeeded')
    .orderBy('number', 'desc')
    .limit(1)
    .executeTakeFirst();
  return row === undefined ? 'DISALLOW' : fileExistsBehavior.parse(row.file_exists_behavior);
}

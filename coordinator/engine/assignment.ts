import { IN_PLACE_EVENTS } from '../../shared/model/lifecycle-event.ts';
import { type Assignment, assignment } from '../../shared/protocol/messages.ts';
import type { Queryable } from '../storage/database.ts';

/**
 * What every host of the deployment is sent, or null when the deployment or its revision is gone, or a stop was asked for:
 * after that no host may be told to start (invariant I7).
 * @param options.evenIfStopped for who knows that the host has started
 */
export async function loadAssignment(
  query: Queryable,
  deploymentId: string,
  options: { evenIfStopped?: boolean } = {},
): Promise<Assignment | null> {
  let select = query
    .selectFrom('deployments as d')
    .innerJoin('revisions as r', 'r.id', 'd.revision_id')
    .select([
      'd.id',
      'd.application',
      'd.group_id',
      'd.group_name',
      'd.creator',
      'd.file_exists_behavior',
      'd.ignore_application_stop_failures',
      'd.hook_environment',
      'd.transient_units',
      'r.id as revision_id',
      'r.label',
      'r.digest',
      'r.bundle_type',
      'r.size_bytes',
    ])
    .where('d.id', '=', deploymentId);
  if (options.evenIfStopped !== true) select = select.where('d.stop_requested_at', 'is', null);
  const row = await select.executeTakeFirst();
  if (row === undefined) return null;
  return assignment.parse({
    deploymentId: row.id,
    application: row.application,
    deploymentGroupId: row.group_id,
    deploymentGroupName: row.group_name,
    creator: row.creator,
    revision: {
      id: row.revision_id,
      label: row.label,
      digest: row.digest,
      bundleType: row.bundle_type,
      sizeBytes: row.size_bytes,
    },
    lifecycleEvents: [...IN_PLACE_EVENTS],
    fileExistsBehavior: row.file_exists_behavior,
    ignoreApplicationStopFailures: row.ignore_application_stop_failures === 1,
    hookEnvironment: JSON.parse(row.hook_environment),
    ...(row.transient_units === 1 ? { transientUnits: true } : {}),
  });
}

import { AppError } from '../../../shared/core/errors.ts';
import { type Host, host, hostFacts, type Tags, tags } from '../../../shared/model/host.ts';
import { nearNamesHint } from '../../domain/near-names.ts';
import type { Queryable } from '../database.ts';
import type { HostRow } from '../tables.ts';

const HINT_NAMES = 1_000;

export function tagsOf(row: Pick<HostRow, 'tags'>): Tags {
  return tags.parse(JSON.parse(row.tags));
}

export function toHost(row: HostRow, runningDeploymentId: string | null): Host {
  return {
    id: row.id,
    name: row.name,
    tags: tagsOf(row),
    zone: row.zone,
    scalingGroup: row.scaling_group,
    presence: host.shape.presence.parse(row.presence),
    presenceSince: row.presence_since,
    lastContactAt: row.last_contact_at,
    enrolledAt: row.enrolled_at,
    agentKind: host.shape.agentKind.parse(row.agent_kind),
    iamArn: row.iam_arn,
    agentVersion: row.agent_version,
    clockOffsetMs: row.clock_offset_ms,
    facts: hostFacts.parse(JSON.parse(row.facts)),
    runningDeploymentId,
  };
}

/** @throws AppError `not_found` with the nearest name as a hint */
export async function hostRow(query: Queryable, nameOrId: string): Promise<HostRow> {
  // No host is let in under another one's id.
  const row =
    (await query.selectFrom('hosts').selectAll().where('id', '=', nameOrId).executeTakeFirst()) ??
    (await query.selectFrom('hosts').selectAll().where('name', '=', nameOrId).executeTakeFirst());
  if (row !== undefined) return row;
  const known = await query.selectFrom('hosts').select('name').orderBy('name').limit(HINT_NAMES).execute();
  throw new AppError('not_found', `there is no host ${nameOrId}`, {
    details: { noun: 'host' },
    hint: nearNamesHint(
      nameOrId,
      known.map((other) => other.name),
      'Make a join token for it: drover hosts enrol-token',
    ),
  });
}

/** What runs on each of the hosts now. */
export async function runningDeployments(query: Queryable, hostIds: readonly string[]): Promise<Map<string, string>> {
  if (hostIds.length === 0) return new Map();
  const rows = await query
    .selectFrom('targets')
    .select(['host_id', 'deployment_id'])
    .where('status', '=', 'InProgress')
    .where('host_id', 'in', hostIds)
    .execute();
  return new Map(rows.map((row) => [row.host_id, row.deployment_id]));
}

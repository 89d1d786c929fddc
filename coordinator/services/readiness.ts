import type * as z from 'zod';
import type { agentRoutes } from '../../shared/api/agents.ts';
import { AppError } from '../../shared/core/errors.ts';
import type { Database } from '../storage/database.ts';

type ReadinessReply = z.infer<typeof agentRoutes.readiness.reply>;

export interface Readiness {
  /** @throws AppError `not_found` when the host has been forgotten */
  of(hostId: string): Promise<ReadinessReply>;
}

/**
 * May a host be put behind a load balancer? It may when every group that selects it counts it as in service: it runs the
 * last good revision, or the group has none yet. A host that a deployment is touching just now is not ready.
 */
export function createReadiness(parts: { database: Database }): Readiness {
  return {
    async of(hostId) {
      const query = parts.database.query;
      const host = await query.selectFrom('hosts').select('name').where('id', '=', hostId).executeTakeFirst();
      if (host === undefined)
        throw new AppError('not_found', 'this host is not known here', {
          hint: 'It was forgotten: drover-agent enrol --force with a new token, then restart the agent.',
        });
      const rows = await query
        .selectFrom('group_hosts as m')
        .innerJoin('deployment_groups as g', 'g.id', 'm.group_id')
        .leftJoin('targets as t', (join) => join.onRef('t.host_id', '=', 'm.host_id').on('t.status', '=', 'InProgress'))
        // Also one of another group: what it takes out of service is the same application.
        .leftJoin('deployments as d', (join) =>
          join.onRef('d.id', '=', 't.deployment_id').onRef('d.application', '=', 'g.application'),
        )
        .select([
          'g.application',
          'g.name',
          'g.last_good_revision_id as good',
          'm.revision_id as runs',
          'm.converge',
          'm.instance_health as health',
          'd.id as running',
        ])
        .where('m.host_id', '=', hostId)
        .orderBy('g.application')
        .orderBy('g.name')
        .execute();
      const groups = rows.map((row) => {
        const reason = reasonAgainst(row);
        return { application: row.application, deploymentGroup: row.name, isInService: reason === null, reason };
      });
      return { isReady: groups.every((group) => group.isInService), hostName: host.name, groups };
    },
  };
}

function reasonAgainst(row: {
  good: string | null;
  runs: string | null;
  converge: string | null;
  health: string;
  running: string | null;
}): string | null {
  if (row.running !== null) return `deployment ${row.running} is running on this host`;
  if (row.good === null) return null;
  // It may have come to be the good one since, without a deployment to this host.
  if (row.converge === 'failed' && (row.runs !== row.good || row.health === 'Unhealthy'))
    return 'the deployment of the last good revision to this host failed: see drover history';
  if (row.runs !== row.good)
    return row.runs === null
      ? 'it has not got the last good revision yet'
      : 'it runs another revision than the last good one';
  return row.health === 'Unhealthy' ? 'the last deployment to this host failed' : null;
}

import type { AgentVersions, LeftOutReason } from '../../../shared/model/agent-update.ts';
import { host, hostFacts } from '../../../shared/model/host.ts';
import { type AgentPackage, compareVersions, judgeCandidate, offeredVersions } from '../../domain/agent-packages.ts';
import type { Queryable } from '../../storage/database.ts';

export interface Wanted {
  version: string;
  packages: readonly AgentPackage[];
  downgrade: boolean;
}

interface JudgedHost {
  hostId: string;
  hostName: string;
  version: string | null;
  presence: string;
  judgement: 'current' | 'outdated' | LeftOutReason;
}

const MAX_LEFT_OUT = 1_000;

/** Every host, and whether an update concerns it, by name. */
export async function judgeFleet(query: Queryable, wanted: Wanted): Promise<JudgedHost[]> {
  const rows = await query
    .selectFrom('hosts')
    .select(['id', 'name', 'presence', 'agent_kind', 'agent_version', 'facts'])
    .orderBy('name')
    .execute();
  return rows.map((row) => {
    const { architecture, agentPackage } = hostFacts.parse(JSON.parse(row.facts));
    const agentKind = host.shape.agentKind.parse(row.agent_kind);
    const candidate = { agentKind, agentVersion: row.agent_version, architecture, agentPackage };
    return {
      hostId: row.id,
      hostName: row.name,
      version: row.agent_version,
      presence: row.presence,
      judgement: judgeCandidate(candidate, wanted),
    };
  });
}

/** What an operator is told before an update. @param wanted version: null when nothing is offered */
export async function describeFleet(
  query: Queryable,
  packages: readonly AgentPackage[],
  wanted: { version: string | null; downgrade: boolean },
): Promise<AgentVersions> {
  const { version, downgrade } = wanted;
  const hosts = await judgeFleet(query, { version: version ?? '', packages, downgrade });
  const ours = hosts.filter((one) => one.judgement !== 'aws-agent');
  const byVersion = new Map<string | null, number>();
  for (const one of ours) byVersion.set(one.version, (byVersion.get(one.version) ?? 0) + 1);
  const isIn = (one: JudgedHost) => one.judgement === 'outdated' && one.presence !== 'Offline';
  return {
    offered: offeredVersions(packages).map((offered) => ({
      version: offered,
      packages: packages.filter((one) => one.version === offered).map((one) => one.file),
    })),
    version,
    running: [...byVersion]
      .map(([running, count]) => ({ version: running, hosts: count }))
      .sort((a, b) => compareVersions(b.version ?? '', a.version ?? '')),
    currentHosts: ours.filter((one) => one.judgement === 'current').length,
    outdatedHosts: hosts.filter(isIn).length,
    leftOut:
      version === null
        ? []
        : hosts
            .filter((one) => one.judgement !== 'current' && !isIn(one))
            .slice(0, MAX_LEFT_OUT)
            .map(({ hostName, version: running, judgement }) => ({
              hostName,
              version: running,
              // 'current' was filtered out above, and who is outdated and not in is away.
              reason: judgement === 'outdated' ? 'offline' : (judgement as LeftOutReason),
            })),
  };
}

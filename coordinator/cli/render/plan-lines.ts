import type { DeploymentConfig, MinimumHealthyHosts } from '../../../shared/model/deployment-config.ts';
import type { DeploymentGroup } from '../../../shared/model/deployment-group.ts';
import type { GroupHost } from '../../../shared/model/host.ts';
import type { Revision } from '../../../shared/model/revision.ts';
import { someHosts } from './cause-lines.ts';
import type { Style } from './style.ts';
import { count, ordinal, plural } from './units.ts';

export interface Plan {
  group: DeploymentGroup;
  /** All of the group. */
  hosts: readonly GroupHost[];
  /** Those that are meant, when only a part of the group is. */
  part: readonly GroupHost[] | null;
  config: DeploymentConfig;
  revision: Pick<Revision, 'id' | 'label'>;
  /** Hosts that run the revision already are left out, unless they are broken with it. */
  isOutdatedOnly: boolean;
}

/** What will happen, before it does. Only what is known. */
export function planLines(plan: Plan, style: Style): string[] {
  const { group, config, revision, part } = plan;
  const hosts = part ?? plan.hosts;
  const current = hosts.filter((host) => host.revisionId === revision.id).length;
  const offline = hosts
    .filter((host) => host.presence === 'Offline' && !isLeftOut(plan, host))
    .map((host) => host.hostName);
  const size = `${part === null ? '' : `${count(part.length)} of `}${plural(plan.hosts.length, 'host')}`;
  const from =
    group.lastGoodRevisionId === revision.id
      ? ''
      : `${group.lastGoodRevisionLabel ?? 'nothing'} ${style.glyphs.arrow} `;
  return [
    `${style.bold('Plan')}: ${from}${revision.label} on ${size}, ${config.name}.${part === null ? safetyOf(plan) : ''}`,
    ...(current > 0 ? [`  ${count(current)} of ${count(hosts.length)} run it already.`] : []),
    ...(offline.length > 0
      ? [
          style.warn(
            `  ${plural(offline.length, 'host')} offline, and will fail: ${someHosts(offline, offline.length, 5)}`,
          ),
        ]
      : []),
  ];
}

function isLeftOut({ revision, isOutdatedOnly }: Plan, host: GroupHost): boolean {
  return isOutdatedOnly && host.revisionId === revision.id && host.instanceHealth !== 'Unhealthy';
}

function safetyOf({ group, hosts, config, revision }: Plan): string {
  const floor = floorOf(config.minimumHealthyHosts, hosts.length);
  const limit = hosts.length - floor;
  const canRollBack = group.autoRollback.enabled && group.autoRollback.events.includes('DEPLOYMENT_FAILURE');
  const back =
    canRollBack && group.lastGoodRevisionId !== null && group.lastGoodRevisionId !== revision.id
      ? ` and rolls back to ${group.lastGoodRevisionLabel}`
      : ', without a rollback';
  const ending = limit > 0 && limit < hosts.length ? ` The ${ordinal(limit)} failure stops it${back}.` : '';
  return ` In service never below ${count(Math.max(0, floor))}.${ending}`;
}

/** Source: docs/rollout.md, minimum healthy hosts: a percentage is rounded up; a single host has no floor but a host count. */
export function floorOf(minimum: MinimumHealthyHosts, total: number): number {
  switch (minimum.type) {
    case 'HOST_COUNT':
      return minimum.value;
    case 'FLEET_PERCENT':
      return total <= 1 ? 0 : Math.ceil((minimum.value * total) / 100);
    case 'MOST_CONCURRENCY':
      return Math.max(0, total - 1);
  }
}

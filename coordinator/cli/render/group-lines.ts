import type { DeploymentGroup, TagFilter } from '../../../shared/model/deployment-group.ts';
import type { GroupHost } from '../../../shared/model/host.ts';
import { paintOfStatus, type Style } from './style.ts';
import { type Cell, facts, table } from './table.ts';
import { plainText } from './text.ts';
import { count, plural } from './units.ts';

const MAX_HOSTS = 30;

/** A group on one screen. */
export function groupLines(group: DeploymentGroup, hosts: readonly GroupHost[], width: number, style: Style): string[] {
  const inService = hosts.filter((host) => host.isInService).length;
  const environment = Object.keys(group.hookEnvironment);
  const pairs: (readonly [string, string | Cell])[] = [
    ['Group', `${group.application}/${group.name}`],
    ['Hosts', `${selectionText(group)}`],
    ['Config', group.deploymentConfigName],
    ['On failure', rollbackText(group)],
    ['Late hosts', group.outdatedInstancesStrategy === 'UPDATE' ? 'follow on after a deployment' : 'stay as they are'],
    ...(environment.length === 0 ? [] : [['Variables', environment.join(', ')] as const]),
    ...(group.transientUnits ? [['Hooks', 'in a transient unit of systemd each'] as const] : []),
    ...group.triggers.map(
      ({ name, target, events }) => ['Trigger', plainText(`${name}: ${events.join(', ')} -> ${target}`)] as const,
    ),
    ['Last good', group.lastGoodRevisionLabel ?? 'none yet'],
    ['Last attempt', group.lastAttemptedDeploymentId ?? 'none yet'],
    ...(group.activeDeploymentId === null
      ? []
      : [['Running', { text: group.activeDeploymentId, paint: style.accent }] as const]),
    ['In service', `${count(inService)} of ${plural(hosts.length, 'host')}`],
  ];
  const shown = hosts.slice(0, MAX_HOSTS);
  const rest = hosts.length - shown.length;
  return [
    ...facts(pairs, width, style),
    ...(hosts.length === 0 ? [] : ['', ...groupHostTable(shown, width, style)]),
    ...(rest > 0 ? [`and ${count(rest)} more: drover groups show ${group.application}/${group.name} --json`] : []),
  ];
}

function groupHostTable(hosts: readonly GroupHost[], width: number, style: Style): string[] {
  const columns = [
    { title: 'HOST', isFlexible: true },
    { title: 'PRESENCE' },
    { title: 'HEALTH' },
    { title: 'REVISION', isFlexible: true },
    { title: '' },
  ];
  const rows = hosts.map((host): (Cell | string)[] => [
    host.hostName,
    { text: host.presence, paint: paintOfStatus(style, host.presence) },
    { text: host.instanceHealth, paint: paintOfStatus(style, host.instanceHealth) },
    revisionText(host),
    host.isInService ? 'in service' : 'not in service',
  ]);
  return table(columns, rows, width, style);
}

/** What it runs may be a revision that is not known here, after a restore for instance. */
function revisionText({ revisionId, revisionLabel, revisionHealth }: GroupHost): string {
  if (revisionId === null) return 'none';
  return revisionLabel === null ? `unknown (${revisionId})` : `${revisionLabel} (${revisionHealth.toLowerCase()})`;
}

/** `role=web or tier, host web-9, scaling group edge`. */
export function selectionText({ selection }: Pick<DeploymentGroup, 'selection'>): string {
  const { tagFilters, tagSet, alternativeTagSets = [], hostNames, scalingGroups } = selection;
  const parts = [
    tagFilters.map(filterText).join(' or '),
    ...[tagSet, ...alternativeTagSets].map((set) =>
      set.map((list) => `(${list.map(filterText).join(' or ')})`).join(' and '),
    ),
    hostNames.length === 0
      ? ''
      : `host ${hostNames.slice(0, 5).join(', ')}${hostNames.length > 5 ? ` +${hostNames.length - 5}` : ''}`,
    scalingGroups.length === 0 ? '' : `scaling group ${scalingGroups.join(', ')}`,
  ].filter((part) => part !== '');
  return parts.length === 0 ? 'none selected' : parts.join('; ');
}

function filterText(filter: TagFilter): string {
  switch (filter.type) {
    case 'KEY_AND_VALUE':
      return `${filter.key}=${filter.value}`;
    case 'KEY_ONLY':
      return filter.key;
    case 'VALUE_ONLY':
      return `=${filter.value}`;
  }
}

function rollbackText({ autoRollback }: DeploymentGroup): string {
  if (!autoRollback.enabled || autoRollback.events.length === 0) return 'stays as it is';
  const events = { DEPLOYMENT_FAILURE: 'failure', DEPLOYMENT_STOP_ON_REQUEST: 'stop' } as const;
  return `rolls back after a ${autoRollback.events.map((event) => events[event]).join(' or a ')}`;
}

import type { Deployment } from '../../../shared/model/deployment.ts';
import type { Host } from '../../../shared/model/host.ts';
import type { IncompleteGroup } from '../incomplete-groups.ts';
import { someHosts } from './cause-lines.ts';
import { hostsOf } from './deployment-lines.ts';
import { paintOfStatus, type Style } from './style.ts';
import { line, padEnd, type Segment } from './text.ts';
import { ago, count, duration, plural } from './units.ts';

export interface Overview {
  running: readonly Deployment[];
  /** Of each group whose last deployment of the last day did not go well, that one; and what did not bring a host in since. */
  failed: readonly Deployment[];
  offline: readonly Host[];
  incomplete: readonly IncompleteGroup[];
  /** Failures of the last day that a later deployment of the group has mended. */
  mended: number;
  now: number;
}

const MAX_EACH = 4;

/** What needs somebody, in about ten lines. */
export function overviewLines(overview: Overview, width: number, style: Style): string[] {
  const { running, failed, offline, incomplete, now } = overview;
  if (running.length + failed.length + offline.length + incomplete.length === 0)
    return [
      'Nothing runs, nothing of the last day is left broken, no host is offline or out of service.',
      ...(overview.mended === 0
        ? []
        : [`In the last day ${plural(overview.mended, 'deployment')} failed and was mended since: drover history`]),
    ];
  return [
    ...section('Running', running, (d) => [
      `  ${duration(now - (d.startedAt ?? d.createdAt))}`,
      [`   drover watch ${d.id}`, style.dim],
    ]),
    ...section('Not mended', failed, (d) => [
      `  ${ago(d.completedAt ?? d.createdAt, now)}`,
      [`   drover why ${d.id}`, style.dim],
    ]),
    ...(offline.length === 0
      ? []
      : [
          line(
            [
              [`Offline`, style.bold],
              `     ${plural(offline.length, 'host')}: ${someHosts(
                offline.map((host) => host.name),
                offline.length,
                4,
              )}`,
            ],
            width,
            style,
          ),
        ]),
    ...incompleteLines(incomplete, width, style),
  ];

  function section(title: string, items: readonly Deployment[], rest: (d: Deployment) => Segment[]): string[] {
    const lines = items.slice(0, MAX_EACH).map((d, index) => {
      const head: Segment = [padEnd(index === 0 ? title : '', 12), style.bold];
      const status: Segment = [padEnd(d.status, 11), paintOfStatus(style, d.status)];
      return line(
        [
          head,
          `${d.id}  `,
          status,
          `${d.application}/${d.deploymentGroup} ${d.revisionLabel}  ${hostsOf(d)}`,
          ...rest(d),
        ],
        width,
        style,
      );
    });
    return items.length > MAX_EACH
      ? [...lines, `            and ${items.length - MAX_EACH} more: drover history`]
      : lines;
  }
}

/** Those that nothing is at work in first: the others change by themselves. */
function incompleteLines(groups: readonly IncompleteGroup[], width: number, style: Style): string[] {
  const sorted = groups.toSorted((a, b) => a.runningDeploymentIds.length - b.runningDeploymentIds.length);
  const lines = sorted.slice(0, MAX_EACH).map((group, index) => {
    const name = `${group.application}/${group.deploymentGroup}`;
    const [running] = group.runningDeploymentIds;
    return line(
      [
        [padEnd(index === 0 ? 'In service' : '', 12), style.bold],
        `${name}  ${count(group.inServiceHosts)} of ${plural(group.hosts, 'host')}`,
        running === undefined ? [`   drover status ${name}`, style.dim] : `, ${running} is at work there`,
      ],
      width,
      style,
    );
  });
  return sorted.length > MAX_EACH ? [...lines, `            and ${sorted.length - MAX_EACH} groups more`] : lines;
}

import type { Deployment } from '../../../shared/model/deployment.ts';
import type { Host } from '../../../shared/model/host.ts';
import { someHosts } from './cause-lines.ts';
import { hostsOf } from './deployment-lines.ts';
import { paintOfStatus, type Style } from './style.ts';
import { line, padEnd, type Segment } from './text.ts';
import { ago, duration, plural } from './units.ts';

export interface Overview {
  running: readonly Deployment[];
  /** Of each group whose last deployment of the last day did not go well, that one; and what did not bring a host in since. */
  failed: readonly Deployment[];
  offline: readonly Host[];
  /** Failures of the last day that a later deployment of the group has mended. */
  mended: number;
  now: number;
}

const MAX_EACH = 4;

/** What needs somebody, in about ten lines. */
export function overviewLines(overview: Overview, width: number, style: Style): string[] {
  const { running, failed, offline, now } = overview;
  if (running.length + failed.length + offline.length === 0)
    return [
      'Nothing runs, nothing of the last day is left broken, no host is offline.',
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

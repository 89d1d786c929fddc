import type { Deployment } from '../../../shared/model/deployment.ts';
import type { Target } from '../../../shared/model/target.ts';
import { reasonOf } from './history-line.ts';
import { rollbackTrouble } from './rollback-text.ts';
import { paintOfStatus, type Style } from './style.ts';
import { type Cell, facts, table } from './table.ts';
import { plainText } from './text.ts';
import { ago, count, dateTime, duration, plural } from './units.ts';

/** A list of deployments, the newest first. */
export function deploymentTable(
  deployments: readonly Deployment[],
  now: number,
  width: number,
  style: Style,
): string[] {
  const columns = [
    { title: 'DEPLOYMENT' },
    { title: 'GROUP', isFlexible: true },
    { title: 'REVISION', isFlexible: true },
    { title: 'STATUS' },
    { title: 'HOSTS' },
    { title: 'TOOK' },
    { title: 'WHEN' },
    { title: 'BY', isFlexible: true },
  ];
  const rows = deployments.map((d): (Cell | string)[] => [
    d.id,
    `${d.application}/${d.deploymentGroup}`,
    d.revisionLabel,
    { text: d.status, paint: paintOfStatus(style, d.status) },
    hostsOf(d),
    tookOf(d, now),
    ago(d.createdAt, now),
    d.creator === 'user' ? d.createdBy : creatorOf(d),
  ]);
  return table(columns, rows, width, style);
}

/** `3/5`, `3/5, 1 failed`. */
export function hostsOf(d: Deployment): string {
  const { Succeeded, Failed } = d.overview;
  const targets = Object.values(d.overview).reduce((sum, one) => sum + one, 0);
  return `${count(Succeeded)}/${count(targets)}${Failed === 0 ? '' : `, ${count(Failed)} failed`}`;
}

function tookOf(d: Deployment, now: number): string {
  return duration((d.completedAt ?? now) - (d.startedAt ?? d.createdAt));
}

function creatorOf(d: Deployment): string {
  switch (d.creator) {
    case 'codeDeployRollback':
      return 'rollback';
    case 'autoscaling':
      return 'scale-out';
    case 'CodeDeployAutoUpdate':
      return 'follow-on';
    case 'user':
      return d.createdBy;
  }
}

/** One deployment on one screen, with the deployment that rolls it back; `targets` are the ones worth a line. */
export function deploymentLines(
  d: Deployment,
  { rollback, targets }: { rollback: Deployment | null; targets: readonly Target[] },
  now: number,
  width: number,
  style: Style,
): string[] {
  const { Pending, InProgress, Succeeded, Failed, Skipped } = d.overview;
  const parts = [
    `${count(Succeeded)} succeeded`,
    `${count(InProgress)} running`,
    `${count(Pending)} waiting`,
    `${count(Failed)} failed`,
    `${count(Skipped)} skipped`,
  ];
  const { rollbackTriggeringDeploymentId, rollbackMessage } = d.rollbackInfo;
  const pairs: (readonly [string, string | Cell])[] = [
    ['Deployment', d.id],
    [
      'Status',
      {
        text: d.endingAs === null ? d.status : `${d.status}, ending as ${d.endingAs}`,
        paint: paintOfStatus(style, d.status),
      },
    ],
    ['Group', `${d.application}/${d.deploymentGroup}`],
    [
      'Revision',
      `${d.previousRevisionLabel === null ? '' : `${d.previousRevisionLabel} ${style.glyphs.arrow} `}${d.revisionLabel}  (${d.revisionDigest.slice(0, 12)})`,
    ],
    ['Config', d.deploymentConfigName],
    [
      'Hosts',
      `${plural(d.totalHosts, 'host')}: ${parts.filter((part) => !part.startsWith('0 ')).join(', ') || 'none'}${d.alreadyCurrentHosts === 0 ? '' : `, ${count(d.alreadyCurrentHosts)} ran it already`}${d.forgottenHosts === undefined ? '' : `; ${count(d.forgottenHosts)} of those with it were forgotten since`}`,
    ],
    ['Begun', `${dateTime(d.createdAt, style.utcOffset)} by ${d.creator === 'user' ? d.createdBy : creatorOf(d)}`],
    [d.completedAt === null ? 'Running' : 'Took', tookOf(d, now)],
    ...(d.description === '' ? [] : [['Reason', plainText(d.description)] as const]),
    ...(d.errorInformation === null
      ? []
      : [
          [
            'Error',
            { text: `${d.errorInformation.code}: ${plainText(d.errorInformation.message)}`, paint: style.bad },
          ] as const,
        ]),
    ...(rollback === null ? [] : [rollbackFact(rollback)]),
    ...(rollbackTriggeringDeploymentId === null ? [] : [['Rolls back', rollbackTriggeringDeploymentId] as const]),
    // With a rollback, the message says that it was begun, whatever became of it.
    ...(rollbackMessage === null || rollback !== null ? [] : [['Rollback', plainText(rollbackMessage)] as const]),
    ...(d.followsDeploymentId === null ? [] : [['Follows', d.followsDeploymentId] as const]),
  ];
  return [
    ...facts(pairs, width, style),
    ...(targets.length === 0 ? [] : ['', ...targetTable(targets, now, width, style)]),
  ];
}

function rollbackFact(rollback: Deployment): readonly [string, string] {
  const trouble = rollbackTrouble(rollback);
  return trouble === null ? ['Rolled back by', `${rollback.id} to ${rollback.revisionLabel}`] : ['Rollback', trouble];
}

function targetTable(targets: readonly Target[], now: number, width: number, style: Style): string[] {
  const columns = [
    { title: 'HOST', isFlexible: true },
    { title: 'STATUS' },
    { title: 'EVENT' },
    { title: 'TOOK' },
    { title: 'WHY', isFlexible: true },
  ];
  const rows = targets.map((target): (Cell | string)[] => [
    target.hostName,
    { text: target.status, paint: paintOfStatus(style, target.status) },
    target.lifecycleEvent ?? '',
    target.startedAt === null ? '' : duration((target.completedAt ?? now) - target.startedAt),
    target.status === 'Failed' || target.status === 'Skipped' ? reasonOf(target) : '',
  ]);
  return table(columns, rows, width, style);
}

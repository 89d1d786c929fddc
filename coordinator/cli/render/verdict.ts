import type { Deployment } from '../../../shared/model/deployment.ts';
import type { ExitName } from '../exit-codes.ts';
import { rollbackTrouble } from './rollback-text.ts';
import type { Style } from './style.ts';
import { plainText, wrap } from './text.ts';
import { count, duration, plural } from './units.ts';

/** How a deployment ended, with the rollback that it asked for. */
export interface Outcome {
  deployment: Deployment;
  /** The deployment that rolled it back, ended; null when there was none. */
  rollback: Deployment | null;
}

/**
 * A stop by somebody is told as such, whatever was rolled back after it.
 * @param options.isStopWanted the command was asked to stop it: then that is what it did
 */
export function exitOfOutcome({ deployment, rollback }: Outcome, options: { isStopWanted: boolean }): ExitName {
  if (deployment.status === 'Succeeded') return 'done';
  if (deployment.status === 'Stopped') {
    if (!options.isStopWanted) return 'stopped';
    return rollback === null || rollback.status === 'Succeeded' ? 'done' : 'failed';
  }
  return rollback?.status === 'Succeeded' ? 'failed-rolled-back' : 'failed';
}

/** The end, in words, with the next command. */
export function verdictLines(outcome: Outcome, width: number, style: Style): string[] {
  return sentences(outcome, style).flatMap((text) => wrap(text, width));
}

function sentences(outcome: Outcome, style: Style): string[] {
  const { deployment: d, rollback } = outcome;
  const took = d.completedAt === null ? '' : ` in ${duration(d.completedAt - (d.startedAt ?? d.createdAt))}`;
  const { Succeeded, Failed, Skipped } = d.overview;
  const isOn = Succeeded + d.alreadyCurrentHosts;
  if (d.status === 'Succeeded')
    return [
      `${style.good('Succeeded')}${took}: ${count(isOn)} of ${plural(d.totalHosts, 'host')} run ${d.revisionLabel}${Failed === 0 ? '' : `, ${count(Failed)} failed (fewer than end it)`}.`,
      ...(Failed === 0 ? [] : [`  again on those: drover retry ${d.id}`]),
    ];
  const counts = `${count(Succeeded)} succeeded, ${count(Failed)} failed, ${count(Skipped)} not attempted`;
  const reason =
    d.errorInformation === null ? '' : ` ${d.errorInformation.code}: ${plainText(d.errorInformation.message)}`;
  const isStopped = d.status === 'Stopped';
  const by = isStopped && d.stopRequestedBy !== null ? ` by ${d.stopRequestedBy}` : '';
  const name = isStopped ? style.warn('Stopped') : style.bad('Failed');
  return [
    `${name}${by}${took}: ${counts} of ${plural(d.totalHosts, 'host')}.${isStopped ? '' : reason}`,
    ...rollbackLines(outcome, rollback, style),
    ...(Failed === 0 ? [] : [`  read it: drover why ${d.id}     log: drover logs ${d.id} --failed`]),
  ];
}

function rollbackLines({ deployment: d }: Outcome, rollback: Deployment | null, style: Style): string[] {
  if (rollback !== null) {
    const took = rollback.completedAt === null ? '' : ` (${duration(rollback.completedAt - rollback.createdAt)})`;
    const trouble = rollbackTrouble(rollback);
    if (trouble === null) {
      const isOn = rollback.overview.Succeeded + rollback.alreadyCurrentHosts;
      return [
        `${style.good('Rolled back')}: ${count(isOn)} of ${plural(rollback.totalHosts, 'host')} run ${rollback.revisionLabel} again${took}.`,
      ];
    }
    return [`${style.bad(`Rollback ${trouble}`)}${took}. See: drover why ${rollback.id}`];
  }
  const message = d.rollbackInfo.rollbackMessage;
  if (message !== null) return [`Not rolled back: ${plainText(message)}`];
  return d.status === 'Failed' ? ['Not rolled back.'] : [];
}

import type { Diagnostics, LifecycleEvent } from '../../../../shared/model/lifecycle-event.ts';
import type { TargetWithEvents } from '../../../../shared/model/target.ts';
import type { Value } from '../model.ts';
import type { Arns } from './arns.ts';

export function toInstanceTarget(target: TargetWithEvents, arns: Arns): Value<'InstanceTarget'> {
  return {
    deploymentId: target.deploymentId,
    targetId: target.hostName,
    targetArn: arns.instance(target.hostName),
    status: target.status,
    lastUpdatedAt: lastUpdatedAt(target),
    lifecycleEvents: toLifecycleEvents(target),
  };
}

export function toInstanceSummary(target: TargetWithEvents, arns: Arns): Value<'InstanceSummary'> {
  return {
    deploymentId: target.deploymentId,
    instanceId: arns.instance(target.hostName),
    status: target.status,
    lastUpdatedAt: lastUpdatedAt(target),
    lifecycleEvents: toLifecycleEvents(target),
  };
}

function lastUpdatedAt(target: TargetWithEvents): number | undefined {
  const ends = target.lifecycleEvents.flatMap((event) => [event.startedAt ?? 0, event.endedAt ?? 0]);
  const last = Math.max(target.completedAt ?? 0, target.startedAt ?? 0, ...ends);
  return last === 0 ? undefined : last;
}

/**
 * A host can fail outside of every event, because it is offline for instance. CodeDeploy has no place for that but an event:
 * the first one that was not done says so.
 */
function toLifecycleEvents(target: TargetWithEvents): Value<'LifecycleEventList'> {
  const isTold = target.status !== 'Failed' || target.lifecycleEvents.some((event) => event.status === 'Failed');
  const at = isTold ? -1 : target.lifecycleEvents.findIndex((event) => event.status !== 'Succeeded');
  return target.lifecycleEvents.map((event, index) =>
    index === at
      ? {
          ...toEvent(event),
          status: 'Failed',
          endTime: target.completedAt ?? undefined,
          diagnostics: { errorCode: 'UnknownError', scriptName: '', message: target.message ?? '', logTail: '' },
        }
      : toEvent(event),
  );
}

function toEvent(event: LifecycleEvent): Value<'LifecycleEvent'> {
  return {
    lifecycleEventName: event.name,
    status: event.status,
    startTime: event.startedAt ?? undefined,
    endTime: event.endedAt ?? undefined,
    diagnostics: event.diagnostics === null ? undefined : toDiagnostics(event.diagnostics),
  };
}

function toDiagnostics(diagnostics: Diagnostics): Value<'Diagnostics'> {
  const { errorCode, scriptName = '', message, logTail = '' } = diagnostics;
  return { errorCode, scriptName, message, logTail };
}

import {
  diagnostics,
  IN_PLACE_EVENTS,
  type LifecycleEvent,
  lifecycleEvent,
} from '../../../shared/model/lifecycle-event.ts';
import { type Target, target } from '../../../shared/model/target.ts';
import type { LifecycleEventRow, TargetRow } from '../tables.ts';

export function toTarget(row: TargetRow): Target {
  return {
    deploymentId: row.deployment_id,
    hostId: row.host_id,
    hostName: row.host_name,
    status: target.shape.status.parse(row.status),
    lifecycleEvent: row.current_event,
    errorCode: target.shape.errorCode.parse(row.error_code),
    message: row.message,
    diagnostics: row.diagnostics === null ? null : diagnostics.parse(JSON.parse(row.diagnostics)),
    startedAt: row.started_at,
    completedAt: row.completed_at,
  };
}

export function toLifecycleEvent(row: LifecycleEventRow) {
  return {
    name: row.name,
    status: lifecycleEvent.shape.status.parse(row.status),
    startedAt: row.started_at,
    endedAt: row.ended_at,
    durationMs: row.duration_ms,
    diagnostics: row.diagnostics === null ? null : diagnostics.parse(JSON.parse(row.diagnostics)),
  };
}

/** Every lifecycle event of a target in order, those too that its host has not reported. */
export function lifecycleEventsOf(
  row: Pick<TargetRow, 'status' | 'started_at'>,
  events: readonly LifecycleEventRow[],
): LifecycleEvent[] {
  const known = new Map(events.map((event) => [event.name, toLifecycleEvent(event)]));
  const isOver = row.status !== 'Pending' && row.status !== 'InProgress';
  const status = isOver ? (row.started_at === null ? 'Skipped' : 'Unknown') : 'Pending';
  return IN_PLACE_EVENTS.map(
    (name) => known.get(name) ?? { name, status, startedAt: null, endedAt: null, durationMs: null, diagnostics: null },
  );
}

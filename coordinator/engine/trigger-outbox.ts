import { newUuid } from '../../shared/core/ids.ts';
import type { Randomness } from '../../shared/core/randomness.ts';
import { target as targetModel } from '../../shared/model/target.ts';
import type {
  DeploymentTriggerEvent,
  InstanceTriggerEvent,
  Trigger,
  TriggerEvent,
} from '../../shared/model/trigger.ts';
import { type AwsNames, deploymentMessage, instanceMessage, type MessageText } from '../domain/trigger-messages.ts';
import type { DatabaseTransaction, SqlValue } from '../storage/database.ts';
import { triggersOf } from '../storage/rows/deployment-groups.ts';
import { toDeployment } from '../storage/rows/deployments.ts';
import { lifecycleEventsOf } from '../storage/rows/targets.ts';
import type { DeploymentRow, LifecycleEventRow } from '../storage/tables.ts';

/**
 * Where triggers' messages wait until they are delivered. They are written in the transaction of the fact that they tell, so
 * neither is there without the other; a group without triggers costs one look at its row for each commit.
 */
export interface TriggerOutbox {
  deployment(tx: DatabaseTransaction, event: DeploymentTriggerEvent, row: DeploymentRow, now: number): Promise<void>;
  /** Targets of one group's deployments, as they are now. */
  instances(
    tx: DatabaseTransaction,
    event: InstanceTriggerEvent,
    targets: { groupId: string; ids: readonly number[] },
    now: number,
  ): Promise<void>;
}

export interface TriggerOutboxParts {
  randomness: Randomness;
  names: AwsNames;
  /** Messages that may wait for one target; what comes beyond is a dead letter at once. */
  maxWaiting: number;
  /** There is something to deliver, once the transaction is committed. */
  wake(): void;
}

const GROUP_TRIGGERS = 'SELECT settings, aws_settings FROM deployment_groups WHERE id = ?';
const INSERT = `INSERT INTO trigger_messages (id, target, event, trigger_name, application, group_name, deployment_id, host_name,
    subject, body, created_at, waiting_since, attempts, last_error, next_attempt_at, dead_at)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?, 0, ?)`;

/** Targets that are read by one question. */
const TARGETS_AT_ONCE = 250;

interface Place {
  application: string;
  groupName: string;
  deploymentId: string;
  hostName: string | null;
}

export function createTriggerOutbox(parts: TriggerOutboxParts): TriggerOutbox {
  const { randomness, names, maxWaiting } = parts;
  const countWaiting = `SELECT count(*) AS waiting FROM (
    SELECT 1 FROM trigger_messages WHERE target = ? AND dead_at IS NULL LIMIT ${maxWaiting})`;

  async function triggersFor(tx: DatabaseTransaction, groupId: string, event: TriggerEvent): Promise<Trigger[]> {
    const [group] = await tx.selectRaw<{ settings: string; aws_settings: string }>(GROUP_TRIGGERS, [groupId]);
    return group === undefined ? [] : triggersOf(group).filter((trigger) => trigger.events.includes(event));
  }

  async function write(
    tx: DatabaseTransaction,
    event: TriggerEvent,
    triggers: readonly Trigger[],
    facts: readonly { place: Place; textFor(triggerName: string): MessageText }[],
    now: number,
  ): Promise<void> {
    const rows: SqlValue[][] = [];
    for (const { name, target } of triggers) {
      let room = maxWaiting - (await waitingFor(tx, target, rows));
      for (const { place, textFor } of facts) {
        const { subject, body } = textFor(name);
        const isTooMuch = room-- <= 0;
        rows.push([
          newUuid(randomness),
          target,
          event,
          name,
          place.application,
          place.groupName,
          place.deploymentId,
          place.hostName,
          subject,
          body,
          now,
          now,
          isTooMuch ? `${maxWaiting} messages were waiting for this target` : null,
          isTooMuch ? now : null,
        ]);
      }
    }
    await tx.executeMany(INSERT, rows);
    parts.wake();
  }

  /** Two triggers may have the same target: what is about to be written waits, too. */
  async function waitingFor(tx: DatabaseTransaction, target: string, rows: readonly SqlValue[][]): Promise<number> {
    const [count] = await tx.selectRaw<{ waiting: number }>(countWaiting, [target]);
    return (count?.waiting ?? 0) + rows.filter((row) => row[1] === target).length;
  }

  return {
    async deployment(tx, event, row, now) {
      const triggers = await triggersFor(tx, row.group_id, event);
      if (triggers.length === 0) return;
      const facts = toDeployment(row);
      const place = {
        application: row.application,
        groupName: row.group_name,
        deploymentId: row.id,
        hostName: null,
      };
      await write(tx, event, triggers, [{ place, textFor: (name) => deploymentMessage(names, name, facts) }], now);
    },
    async instances(tx, event, { groupId, ids }, now) {
      if (ids.length === 0) return;
      const triggers = await triggersFor(tx, groupId, event);
      if (triggers.length === 0) return;
      const facts = [];
      for (let at = 0; at < ids.length; at += TARGETS_AT_ONCE)
        for (const target of await targetsWithEvents(tx, ids.slice(at, at + TARGETS_AT_ONCE))) {
          const { deployment_id: deploymentId, host_name: hostName } = target.row;
          const instance = {
            deploymentId,
            hostName,
            status: targetModel.shape.status.parse(target.row.status),
            updatedAt: now,
            lifecycleEvents: lifecycleEventsOf(target.row, target.events),
          };
          const { application, group_name: groupName } = target.row;
          facts.push({
            place: { application, groupName, deploymentId, hostName },
            textFor: (name: string) => instanceMessage(names, name, instance),
          });
        }
      await write(tx, event, triggers, facts, now);
    },
  };
}

/** In the order of the ids; those that are not there are left out. */
async function targetsWithEvents(tx: DatabaseTransaction, ids: readonly number[]) {
  const rows = await tx.query
    .selectFrom('targets')
    .innerJoin('deployments', 'deployments.id', 'targets.deployment_id')
    .select([
      'targets.id',
      'targets.deployment_id',
      'targets.host_name',
      'targets.status',
      'targets.started_at',
      'deployments.application',
      'deployments.group_name',
    ])
    .where('targets.id', 'in', ids)
    .execute();
  const events = await tx.query.selectFrom('lifecycle_events').selectAll().where('target_id', 'in', ids).execute();
  const eventsOf = new Map<number, LifecycleEventRow[]>(ids.map((id) => [id, []]));
  for (const event of events) eventsOf.get(event.target_id)?.push(event);
  const rowOf = new Map(rows.map((row) => [row.id, row]));
  return ids.flatMap((id) => {
    const row = rowOf.get(id);
    return row === undefined ? [] : [{ row, events: eventsOf.get(id) ?? [] }];
  });
}

import { AGENT_APPLICATION } from '../../../shared/model/agent-update.ts';
import type { History } from '../history.ts';

interface DeploymentRow {
  id: string;
  status: string;
  triggeredBy: string | null;
  overview: string;
}
interface TargetRow {
  deploymentId: string;
  hostName: string;
  status: string;
  isStarted: number;
}

const END_EVENTS: Readonly<Record<string, string>> = {
  Succeeded: 'DeploymentSuccess',
  Failed: 'DeploymentFailure',
  Stopped: 'DeploymentStop',
};

/**
 * What triggers told, against the history: every fact once (repeats have the same id and words), none that is not there, and the
 * facts of a deployment in the order in which they came to be.
 */
export function checkTriggersTold({ world, violate, notice }: History): void {
  const first = new Map<string, { key: string; body: string }>();
  for (const { id, event, body } of world.receiver.taken) {
    const known = first.get(id);
    if (known !== undefined && known.body !== body) violate('triggers', `${id} was told twice, in other words`);
    if (known !== undefined) notice('a message of a trigger is repeated');
    if (known === undefined) first.set(id, { key: keyOf(event, body), body });
  }
  const told = [...first.values()];
  const happened = new Map<string, string | null>();
  for (const deployment of deploymentsOf(world)) {
    happened.set(`DeploymentStart ${deployment.id}`, null);
    happened.set(`${END_EVENTS[deployment.status]} ${deployment.id}`, deployment.overview);
  }
  for (const target of targetsOf(world)) {
    const of = `${target.deploymentId} ${target.hostName}`;
    if (target.isStarted === 1) happened.set(`InstanceStart ${of}`, null);
    if (target.status === 'Succeeded') happened.set(`InstanceSuccess ${of}`, null);
    if (target.status === 'Failed') happened.set(`InstanceFailure ${of}`, null);
  }
  checkRollbacks(told, happened, world, violate);
  for (const [key, overview] of happened) {
    const same = told.filter((one) => one.key === key);
    if (same.length !== 1) violate('triggers', `${key} was told ${same.length} times`);
    const words = (JSON.parse(same[0]?.body ?? '{}') as { deploymentOverview?: string }).deploymentOverview;
    if (overview !== null && words !== overview)
      violate('triggers', `${key} was told with ${words}, it is ${overview}`);
  }
  for (const { key } of told) if (!happened.has(key)) violate('triggers', `${key} was told, and never happened`);
  checkOrder(
    told.map((one) => one.key),
    violate,
  );
}

/** A rollback that has started a host was told as under way; one that could not begin was not, or is known to have begun. */
function checkRollbacks(
  told: readonly { key: string }[],
  happened: Map<string, string | null>,
  world: History['world'],
  violate: History['violate'],
): void {
  const started = new Set(targetsOf(world).flatMap((target) => (target.isStarted === 1 ? [target.deploymentId] : [])));
  for (const { id, triggeredBy } of deploymentsOf(world)) {
    if (triggeredBy === null) continue;
    const key = `DeploymentRollback ${id}`;
    const isTold = told.some((one) => one.key === key);
    if (started.has(id) && !isTold) violate('triggers', `${key} was not told`);
    if (isTold) happened.set(key, null);
  }
}

function checkOrder(keys: readonly string[], violate: History['violate']): void {
  const place = new Map(keys.map((key, at) => [key, at]));
  for (const key of keys) {
    const [event = '', deployment = '', host] = key.split(' ');
    const at = place.get(key) ?? 0;
    if (at < (place.get(`DeploymentStart ${deployment}`) ?? 0))
      violate('triggers', `${key} was told before its deployment`);
    if (/^Instance(Success|Failure)$/.test(event) && at < (place.get(`InstanceStart ${deployment} ${host}`) ?? -1))
      violate('triggers', `${key} was told before the host had started`);
    const end = Object.values(END_EVENTS).map((name) => place.get(`${name} ${deployment}`) ?? -1);
    if (at > Math.max(...end)) violate('triggers', `${key} was told after its deployment's end`);
  }
}

function keyOf(event: string, body: string): string {
  const { deploymentId, instanceId } = JSON.parse(body) as { deploymentId: string; instanceId?: string };
  return [event, deploymentId, ...(instanceId === undefined ? [] : [instanceId.split(':').at(-1)])].join(' ');
}

function deploymentsOf({ database }: History['world']): DeploymentRow[] {
  return (
    database.look
      .prepare<[string], DeploymentRow>(
        `SELECT id, status, rollback_triggering_deployment_id AS triggeredBy,
         json_object('Succeeded', count_succeeded, 'Failed', count_failed, 'Skipped', count_skipped,
           'InProgress', count_in_progress, 'Pending', count_pending) AS overview
       FROM deployments WHERE application <> ?`,
      )
      // Their group is the coordinator's own, and has no trigger.
      .all(AGENT_APPLICATION)
  );
}

function targetsOf({ database }: History['world']): TargetRow[] {
  return database.look
    .prepare<[string], TargetRow>(
      `SELECT t.deployment_id AS deploymentId, t.host_name AS hostName, t.status, t.started_at IS NOT NULL AS isStarted
       FROM targets t JOIN deployments d ON d.id = t.deployment_id WHERE d.application <> ?`,
    )
    .all(AGENT_APPLICATION);
}

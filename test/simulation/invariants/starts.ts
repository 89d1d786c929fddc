import type { History } from '../history.ts';
import { promisedMinimum } from './minimum.ts';

interface Started {
  id: number;
  deploymentId: string;
  hostId: string;
}

interface Taker {
  id: string;
  creator: string;
  configName: string;
  total: number;
  triggeredBy: string | null;
  groupId: string;
  application: string;
}

interface FleetHost {
  hostId: string;
  presence: string;
  isTaken: number;
}

/**
 * I1 at each commit that starts healthy hosts, before any of them hears of it: with all that are told to leave service, that are down
 * on the machines and that are offline, the minimum still serves. What the scripts show later is only what chance brings about.
 */
export function createStartCheck(history: History): () => void {
  const { world, truth, violate } = history;
  const { look } = world.database;
  const inProgress = look.prepare<[], Started>(
    `SELECT id, deployment_id AS deploymentId, host_id AS hostId FROM targets WHERE status = 'InProgress' AND was_healthy = 1`,
  );
  const takers = look.prepare<[string], Taker>(
    `SELECT id, creator, config_name AS configName, total_hosts AS total, rollback_triggering_deployment_id AS triggeredBy,
       group_id AS groupId, application FROM deployments WHERE id = ?`,
  );
  const fleet = look.prepare<[string, string, string | null], FleetHost>(
    `SELECT DISTINCT h.id AS hostId, h.presence, EXISTS (
       SELECT 1 FROM targets b JOIN deployments o ON o.id = b.deployment_id
       WHERE b.host_id = h.id AND b.status = 'InProgress' AND o.group_id = ?) AS isTaken
     FROM hosts h JOIN targets t ON t.host_id = h.id WHERE t.deployment_id IN (?, ?)`,
  );
  const find = (id: string) => takers.get(id);
  let known = new Set<number>();

  function check(taker: Taker): void {
    const down = fleet.all(taker.groupId, taker.id, taker.triggeredBy).filter(({ hostId, presence, isTaken }) => {
      if (isTaken === 1 || presence === 'Offline') return true;
      const machine = world.machineOfHost(hostId);
      return machine?.hostId === hostId && machine.isOn && !truth.isInService(machine, taker.application);
    });
    const minimum = promisedMinimum(world.plan, taker, find);
    if (taker.total - down.length >= minimum) return;
    const names = down.map(({ hostId }) => world.machineOfHost(hostId)?.name ?? hostId);
    violate(
      'I1',
      `${taker.id} starts a host and leaves ${taker.total - down.length} of ${taker.total}, it promises ${minimum}` +
        ` (down: ${names.join(', ')})`,
    );
  }

  return () => {
    const running = inProgress.all();
    if (running.length === 0 && known.size === 0) return;
    const started = running.filter((target) => !known.has(target.id) && isServing(target));
    known = new Set(running.map((target) => target.id));
    for (const id of new Set(started.map((target) => target.deploymentId))) {
      const taker = find(id);
      if (taker !== undefined) check(taker);
    }
  };

  function isServing({ deploymentId, hostId }: Started): boolean {
    const machine = world.machineOfHost(hostId);
    const application = find(deploymentId)?.application;
    return machine?.hostId === hostId && application !== undefined && truth.isInService(machine, application);
  }
}

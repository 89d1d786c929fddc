import type { History } from '../history.ts';

/** Agent updates against what runs on the machines, once it is quiet, and against what was asked for. */

/** When an update is answered: it is what was asked for, and the audit record tells of it. */
export function checkUpdateMade(
  { world, violate }: History,
  id: string,
  asked: { version: string; downgrade: boolean },
): void {
  const made = world.database.look
    .prepare<[string], { version: string; downgrade: number; waves: string; budget: string; isAudited: number }>(
      `SELECT u.version, u.downgrade, json_extract(u.settings, '$.waves') AS waves, json_extract(u.settings, '$.budget') AS budget,
         EXISTS (SELECT 1 FROM audit a WHERE a.action = 'agent-update.start' AND a.subject = u.id) AS isAudited
       FROM agent_updates u WHERE u.id = ?`,
    )
    .get(id);
  const planned = world.plan.agentUpdates;
  if (made === undefined || planned === undefined) return;
  const wanted = [asked.version, asked.downgrade, JSON.stringify(planned.waves), planned.budget].join(' ');
  const is = [made.version, made.downgrade === 1, made.waves, made.budget].join(' ');
  if (is !== wanted) violate('agents', `${id} is made as ${is}, and was asked for as ${wanted}`);
  if (made.isAudited === 0) violate('agents', `the audit record does not tell who has started ${id}`);
}

interface Told {
  hostId: string;
  name: string;
  told: string | null;
}

const ONLINE = `SELECT id AS hostId, name, agent_version AS told FROM hosts WHERE presence = 'Online'`;

/** When all is mended and quiet: the version that a host is said to run is the one that runs there, and that is installed. */
export function checkVersionsTold({ world, violate }: History): void {
  if (world.plan.agentUpdates === undefined) return;
  for (const { hostId, name, told } of world.database.look.prepare<[], Told>(ONLINE).all()) {
    const machine = world.machineOfHost(hostId);
    if (machine?.hostId !== hostId || machine.agentVersion === null) continue;
    const { installedVersion } = machine.updater;
    if (machine.agentVersion !== told || installedVersion !== told)
      violate(
        'agents',
        `${name} is said to run the agent ${told}; it runs ${machine.agentVersion}, and has ${installedVersion} installed`,
      );
  }
}

interface LastTurn extends Told {
  deploymentId: string;
  status: string;
}

const LAST_TURNS = `SELECT h.id AS hostId, h.name, h.agent_version AS told, t.deployment_id AS deploymentId, t.status FROM hosts h
  JOIN targets t ON t.host_id = h.id AND t.id = (
    SELECT max(l.id) FROM targets l JOIN agent_update_waves w ON w.deployment_id = l.deployment_id WHERE l.host_id = h.id AND l.status <> 'Skipped')
  WHERE h.presence = 'Online'`;

/** When all is mended and quiet: a host on which the update has failed by its own word runs the version that it had before. */
export function checkPutBack({ world, truth, agentsBefore, setBack, violate }: History): void {
  if (world.plan.agentUpdates === undefined) return;
  for (const { hostId, name, told, deploymentId, status } of world.database.look
    .prepare<[], LastTurn>(LAST_TURNS)
    .all()) {
    const machine = world.machineOfHost(hostId);
    if (machine?.hostId !== hostId || status !== 'Failed' || setBack.has(machine.name)) continue;
    const runs = truth.runsOf(machine.name, deploymentId);
    // Of a script that was lost or killed nobody knows what its updater has come to.
    if (runs.some(({ end }) => end !== 'succeeded' && end !== 'failed')) continue;
    const replaces = runs.filter(({ event }) => event === 'ApplicationStart');
    if (replaces.some(({ end }) => end === 'succeeded')) continue;
    const before = agentsBefore.get(`${deploymentId} ${hostId}`);
    if (told !== before)
      violate('agents', `${deploymentId} has failed on ${name}, which runs ${told}, and ran ${before}`);
  }
}

/** After the last update: every host that has a package of the agent, and is here, runs that version. */
export function checkAllRun(history: History, { id, version }: { id: string | null; version: string }): void {
  const { world, violate } = history;
  const { look } = world.database;
  const row = look
    .prepare<[string | null], { status: string; message: string }>(
      'SELECT status, message FROM agent_updates WHERE id = ?',
    )
    .get(id);
  if (row !== undefined && row.status !== 'Succeeded')
    violate('agents', `${id} brings a good version to good hosts, and is ${row.status}: ${row.message}`);
  checkVersionsTold(history);
  const updatable = look.prepare<[], Told>(`${ONLINE} AND json_extract(facts, '$.agentPackage') IS NOT NULL`);
  for (const { hostId, name, told } of updatable.all())
    if (world.machineOfHost(hostId)?.hostId === hostId && told !== version)
      violate('agents', `${version} was brought to all hosts, and ${name} runs ${told}`);
}

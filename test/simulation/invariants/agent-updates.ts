import type { History } from '../history.ts';
import type { PlannedAgentUpdates } from '../plan.ts';
import { agentBudget, hostsInShare } from './minimum.ts';

interface Update {
  id: string;
  version: string;
  downgrade: number;
  total: number;
  status: string;
  message: string | null;
}

interface Wave {
  updateId: string;
  number: number;
  deploymentId: string;
  hosts: number;
  /** Null, as what follows, when its deployment was removed. */
  status: string | null;
  isActive: number;
  inProgress: number;
  failed: number;
}

interface WaveHost {
  hostId: string;
  name: string;
  status: string;
  /** Null when it was forgotten. */
  presence: string | null;
  told: string | null;
}

const UPDATES =
  'SELECT id, version, downgrade, total_hosts AS total, status, message FROM agent_updates ORDER BY number';
const WAVES = `SELECT w.update_id AS updateId, w.number, w.deployment_id AS deploymentId, w.hosts, d.status, d.is_active AS isActive,
    d.count_in_progress AS inProgress, d.count_failed AS failed
  FROM agent_update_waves w LEFT JOIN deployments d ON d.id = w.deployment_id ORDER BY w.rowid`;
const HOSTS = `SELECT t.host_id AS hostId, t.host_name AS name, t.status, h.presence, h.agent_version AS told
  FROM targets t LEFT JOIN hosts h ON h.id = t.host_id WHERE t.deployment_id = ?`;
/** Whose turn could have come, and did not. */
const LEFT_HERE = `SELECT h.name, h.agent_version AS told FROM hosts h
  WHERE h.presence <> 'Offline' AND h.agent_version <> ? AND json_extract(h.facts, '$.agentPackage') IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM agent_update_waves w JOIN targets t ON t.deployment_id = w.deployment_id WHERE w.update_id = ? AND t.host_id = h.id)`;

/**
 * At each commit, before anybody hears of it: one agent update at a time, its waves one after another, each of hosts whose turn it is,
 * no more of them out at once than the budget allows; none after a failure, a stop or a host that has not connected since; and in the
 * end what it says of itself (docs/install.md, Updating the agents of a fleet).
 */
export function createAgentUpdateCheck(history: History, planned: PlannedAgentUpdates): () => void {
  const { world, agentStops, notice, violate } = history;
  const { look } = world.database;
  const updates = look.prepare<[], Update>(UPDATES);
  const waves = look.prepare<[], Wave>(WAVES);
  const hosts = look.prepare<[string], WaveHost>(HOSTS);
  const leftHere = look.prepare<[string, string], { name: string; told: string }>(LEFT_HERE);
  let known = new Map<string, Wave>();
  const ended = new Set<string>();

  function checkBegins(wave: Wave, update: Update, earlier: readonly Wave[]): void {
    const { updateId, number, deploymentId } = wave;
    const what = `wave ${number} of ${updateId}`;
    if (agentStops.answered.has(updateId)) violate('agents', `${what} begins after its stop was answered`);
    const hadTurn = new Set<string>();
    for (const before of earlier) {
      const isLost = before.failed >= agentBudget(world.plan, before.hosts);
      if (before.isActive === 1 || before.status !== 'Succeeded' || isLost)
        violate(
          'agents',
          `${what} begins after wave ${before.number}, which is ${before.status}, ${before.failed} failed`,
        );
      for (const { hostId, name, status, presence, told } of hosts.all(before.deploymentId)) {
        hadTurn.add(hostId);
        if (before.number === number - 1 && status === 'Succeeded' && presence !== null && told !== update.version)
          violate('agents', `${what} begins, and ${name} of the one before runs ${told}`);
      }
    }
    for (const { hostId, name, presence, told } of hosts.all(deploymentId)) {
      history.agentsBefore.set(`${deploymentId} ${hostId}`, told);
      if (presence !== 'Online') violate('agents', `${what} takes ${name}, which is ${presence}`);
      if (hadTurn.has(hostId)) violate('agents', `${what} takes ${name} for the second time`);
      const isNewer = told !== null && isOlder(update.version, told);
      if (told === update.version || (isNewer && update.downgrade === 0))
        violate('agents', `${what} takes ${name}, which runs ${told}, for ${update.version}`);
    }
    const goal = goalAfter(update.total, hadTurn.size);
    if (goal === undefined || hadTurn.size + wave.hosts > goal)
      violate('agents', `${what} takes ${wave.hosts} hosts after ${hadTurn.size} of ${update.total}`);
  }

  /** How many hosts may have had their turn after the next wave; undefined when there is none. */
  function goalAfter(total: number, had: number): number | undefined {
    return planned.waves.map((share) => hostsInShare(share, total)).find((goal) => goal > had);
  }

  function checkGrows({ updateId, number, hosts: all, inProgress, failed }: Wave): void {
    const budget = agentBudget(world.plan, all);
    if (inProgress + failed > budget)
      violate(
        'agents',
        `wave ${number} of ${updateId} has ${inProgress} hosts out and ${failed} failed: ${budget} may be`,
      );
    if (agentStops.answered.has(updateId))
      violate('agents', `wave ${number} of ${updateId} starts a host after its stop was answered`);
  }

  function checkEnded({ id, version, total, status, message }: Update, own: readonly Wave[]): void {
    const had = own.flatMap((wave) => hosts.all(wave.deploymentId));
    const what = `${id} is ${status} (${message})`;
    if (own.some(({ isActive }) => isActive === 1)) violate('agents', `${what}, and a wave of it is under way`);
    if (status === 'Stopped') {
      if (!agentStops.asked.has(id)) violate('agents', `${what}, and nobody has asked for that`);
      return;
    }
    const hasFailed = own.some(
      (wave) => wave.status !== 'Succeeded' || wave.failed >= agentBudget(world.plan, wave.hosts),
    );
    const isUnconfirmed = had.some((host) => host.status === 'Succeeded' && host.told !== version);
    if (status === 'Failed') {
      notice('an agent update failed');
      if (own.length > 0 && !hasFailed && !isUnconfirmed) violate('agents', `${what}, and nothing has failed`);
      return;
    }
    notice('an agent update succeeded');
    if (agentStops.answered.has(id)) violate('agents', `${what} though its stop was answered`);
    if (hasFailed) violate('agents', `${what}, and a wave of it has failed`);
    const succeeded = had.filter((host) => host.status === 'Succeeded');
    const said = Number(/^(\d+) hosts? run/.exec(message ?? '')?.[1]);
    if (said !== succeeded.length) violate('agents', `${what}, and ${succeeded.length} hosts run it`);
    for (const { hostId, name } of succeeded) {
      const machine = world.machineOfHost(hostId);
      if (machine === undefined || history.setBack.has(machine.name)) continue;
      const { installedVersion } = machine.updater;
      if (installedVersion !== version) violate('agents', `${what}, and ${name} has ${installedVersion}`);
    }
    if (goalAfter(total, had.length) === undefined) return;
    const isOutdated = (told: string) => isOlder(told, version);
    for (const { name, told } of leftHere.all(version, id))
      if (isOutdated(told)) violate('agents', `${what}, and ${name} has had no turn, is here, and runs ${told}`);
  }

  return () => {
    const before = known;
    const all = updates.all();
    if (all.length === 0) return;
    const allWaves = waves.all();
    known = new Map(allWaves.map((wave) => [wave.deploymentId, wave]));
    if (all.filter(({ status }) => status === 'InProgress').length > 1)
      violate('agents', `${all.map(({ id }) => id).join(', ')} are under way at the same time`);
    let hasHostEnded = false;
    let hasWaveEnded = false;
    for (const update of all) {
      if (ended.has(update.id)) continue;
      const own = allWaves.filter(({ updateId }) => updateId === update.id);
      for (const [index, wave] of own.entries()) {
        if (wave.status === null) violate('agents', `wave ${wave.number} of ${update.id} is removed before the end`);
        const last = before.get(wave.deploymentId);
        if (last === undefined) checkBegins(wave, update, own.slice(0, index));
        if (wave.inProgress > (last?.inProgress ?? 0)) checkGrows(wave);
        if (wave.inProgress < (last?.inProgress ?? 0)) hasHostEnded = true;
        if (wave.isActive === 0 && last?.isActive === 1) hasWaveEnded = true;
      }
      if (update.status === 'InProgress') continue;
      ended.add(update.id);
      checkEnded(update, own);
    }
    if (hasHostEnded) history.signal('wave-host-committed');
    if (hasWaveEnded) history.signal('wave-end-committed');
  };
}

/** Versions of the simulation are three numbers. */
function isOlder(version: string, than: string): boolean {
  const [own = [], other = []] = [version, than].map((text) => text.split('.').map(Number));
  const place = own.findIndex((number, index) => number !== other[index]);
  return place >= 0 && (own[place] ?? 0) < (other[place] ?? 0);
}

import { loadRolloutView } from '../../coordinator/engine/view-loader.ts';
import { minimumHealthyCount } from '../../coordinator/rollout/minimum-healthy.ts';
import { decide as decideRollout } from '../../coordinator/rollout/rollout.ts';
import type { Database } from '../../coordinator/storage/database.ts';
import { openSqlite } from '../../coordinator/storage/sqlite.ts';
import type { DeploymentId } from '../../shared/core/ids.ts';
import { type Bench, type Figure, type Line, lineOf } from '../figure.ts';

const FLEETS = [100, 10_000, 100_000];
const NOW = 1_700_000_000_000;
const SETTINGS = { acceptTimeoutMs: 300_000, hostLostAfterMs: 300_000, upSince: 0, missedUntil: 0 };
/** "About 1": the noise of a shared machine is as large as what is left. */
const AIM = { of: 'ratio', atMost: 1.35 } as const;
/** decide() takes microseconds: so many calls are timed together. */
const CALLS_PER_SAMPLE = 200;

/** In batches: 20 hosts in progress of at most 25, a tenth done. All at once: a tenth done, the rest in progress. */
const STATES = ['in batches', 'all at once'] as const;
type State = (typeof STATES)[number];

interface World {
  size: number;
  state: State;
  database: Database;
  id: DeploymentId;
  loadsUs: number[];
  decisionsUs: number[];
}

/**
 * What a decision costs, whatever the fleet: the same state for every size, one host in a thousand away, so the only thing
 * that differs is the number of targets.
 */
export const decide: Figure = {
  name: 'decide',
  summary: 'a decision of the rollout at 100, 10,000 and 100,000 targets',
  async run(bench) {
    const worlds: World[] = [];
    for (const state of STATES) for (const size of FLEETS) worlds.push(await openWorld(bench, size, state));
    const rounds = bench.isQuick ? 60 : 300;
    // Worlds take turns, so that what else happens on the machine meets all alike. The first rounds warm the compiler up.
    for (let round = -30; round < rounds; round++)
      for (const world of worlds) {
        const sample = await measure(world);
        if (round < 0) continue;
        world.loadsUs.push(sample.loadUs);
        world.decisionsUs.push(sample.decisionUs);
      }
    for (const world of worlds) bench.line(lineFor(world, peerOf(worlds, world, 0), 'decide()'));
    // A view holds at most 256 waiting hosts, and of 100 targets there are fewer: from there on it must not grow.
    for (const world of worlds) bench.line(lineFor(world, peerOf(worlds, world, 1), 'loading its view'));
  },
};

/** The world of the same state and of the size at this place, when it is a smaller one. */
function peerOf(worlds: readonly World[], world: World, place: number): World | null {
  const peer = worlds.find((other) => other.state === world.state && other.size === FLEETS[place]);
  return peer !== undefined && peer.size < world.size ? peer : null;
}

function lineFor(world: World, peer: World | null, what: 'decide()' | 'loading its view'): Line {
  const values = (of: World) => (what === 'decide()' ? of.decisionsUs : of.loadsUs);
  return lineOf({
    what: `${what}, ${world.state}, ${world.size.toLocaleString('en')} targets`,
    unit: 'us',
    values: values(world),
    ...(peer === null
      ? {}
      : { peer: { name: `${peer.size.toLocaleString('en')} targets`, values: values(peer) }, aims: [AIM] }),
  });
}

async function measure({ database, id, state }: World): Promise<{ loadUs: number; decisionUs: number }> {
  const startedAt = performance.now();
  const loaded = await database.transaction((tx) => loadRolloutView(tx, id, NOW, SETTINGS));
  const loadUs = (performance.now() - startedAt) * 1_000;
  if (loaded === null) throw new Error('the deployment is gone');
  const { view } = loaded;
  const wanted = state === 'in batches' ? 5 : 0;
  const { decisions } = decideRollout(view, NOW);
  if (decisions.length !== wanted) throw new Error(`${decisions.length} decisions, expected ${wanted}`);
  const beforeCalls = performance.now();
  for (let call = 0; call < CALLS_PER_SAMPLE; call++) decideRollout(view, NOW);
  return { loadUs, decisionUs: ((performance.now() - beforeCalls) * 1_000) / CALLS_PER_SAMPLE };
}

async function openWorld(bench: Bench, size: number, state: State): Promise<World> {
  const database = openSqlite(':memory:');
  bench.defer(() => database.close());
  await database.migrate();
  const id = 'd-BENCH0001' as DeploymentId;
  const succeeded = Math.floor(size / 10);
  const inProgress = state === 'in batches' ? 20 : size - succeeded;
  const minimum = { type: 'HOST_COUNT', value: state === 'in batches' ? size - 25 : 0 } as const;
  await database.transaction(async (tx) => {
    await tx.executeMany(
      `INSERT INTO hosts (id, name, public_key, tags, facts, presence, presence_since, enrolled_at)
       VALUES (?, ?, ?, '{}', '{}', ?, 0, 0)`,
      Array.from({ length: size }, (_, i) => [
        `h-${i}`,
        `host-${i}`,
        `key-${i}`,
        i % 1_000 === 999 ? 'Reconnecting' : 'Online',
      ]),
    );
    await tx.executeMany(
      `INSERT INTO targets (deployment_id, position, host_id, host_name, status, was_healthy, started_at, deadline_at,
         change_sequence) VALUES (?, ?, ?, ?, ?, 1, ?, ?, ?)`,
      Array.from({ length: size }, (_, i) => {
        const status = i < succeeded ? 'Succeeded' : i < succeeded + inProgress ? 'InProgress' : 'Pending';
        const isStarted = status !== 'Pending';
        return [
          id,
          i,
          `h-${i}`,
          `host-${i}`,
          status,
          isStarted ? NOW - 1 : null,
          isStarted ? NOW + 60_000 : null,
          i + 1,
        ];
      }),
    );
    await tx.query
      .insertInto('deployment_groups')
      .values({
        id: 'g-1',
        application: 'app',
        name: 'prod',
        settings: '{}',
        created_at: 0,
        updated_at: 0,
        last_good_revision_id: null,
        last_successful_deployment_id: null,
        last_attempted_deployment_id: null,
        aws_settings: '{}',
      })
      .execute();
    await tx.query
      .insertInto('deployments')
      .values({
        id,
        number: 1,
        application: 'app',
        group_id: 'g-1',
        group_name: 'prod',
        revision_id: 'r-1',
        revision_label: '1',
        revision_digest: '0',
        previous_revision_id: null,
        previous_revision_label: null,
        status: 'InProgress',
        ending_as: null,
        error_code: null,
        error_message: null,
        creator: 'user',
        created_by: 'bench',
        description: '',
        config_name: 'all-but-25',
        minimum_type: minimum.type,
        minimum_value: minimum.value,
        minimum_count: minimumHealthyCount(minimum, size),
        total_hosts: size,
        already_current_hosts: 0,
        forgotten_hosts: 0,
        count_pending: size - succeeded - inProgress,
        count_pending_unhealthy: 0,
        count_in_progress: inProgress,
        count_succeeded: succeeded,
        count_failed: 0,
        count_skipped: 0,
        ignore_application_stop_failures: 0,
        update_outdated_instances_only: 0,
        file_exists_behavior: 'DISALLOW',
        auto_rollback: '{"enabled":true,"events":["DEPLOYMENT_FAILURE"]}',
        hook_environment: '{}',
        transient_units: 0,
        occupies_group: 1,
        is_partial: 0,
        is_active: 1,
        idempotency_key: null,
        follows_deployment_id: null,
        rollback_deployment_id: null,
        rollback_triggering_deployment_id: null,
        rollback_message: null,
        is_restart: 0,
        stop_requested_at: null,
        stop_requested_by: null,
        stop_rollback: null,
        created_at: NOW,
        started_at: NOW,
        completed_at: null,
        deadline_at: NOW + 3_600_000,
        version: 1,
        change_sequence: size + 1,
      })
      .execute();
  });
  return { size, state, database, id, loadsUs: [], decisionsUs: [] };
}

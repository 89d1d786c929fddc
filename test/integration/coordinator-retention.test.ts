import { createHash } from 'node:crypto';
import { mkdtemp, rm, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { createLocalDiskStore } from '../../coordinator/revision-stores/local-disk.ts';
import type { RevisionStore } from '../../coordinator/revision-stores/revision-store.ts';
import { startScheduler } from '../../coordinator/scheduler/scheduler.ts';
import { writeOutput } from '../../coordinator/services/output-batch.ts';
import { createRetention, type RetentionSettings } from '../../coordinator/services/retention.ts';
import type { Database } from '../../coordinator/storage/database.ts';
import { openSqlite } from '../../coordinator/storage/sqlite.ts';
import type { DeploymentRow, RevisionRow } from '../../coordinator/storage/tables.ts';
import { type Clock, sleep } from '../../shared/core/clock.ts';
import { type Logger, silentLogger } from '../../shared/core/logger.ts';
import { foregroundClock } from '../../shared/core/system-clock.ts';
import { openExplainedDatabase } from '../support/explained-database.ts';
import { createFakeClock, type FakeClock } from '../support/fake-clock.ts';
import { seededRandomness } from '../support/fake-randomness.ts';
import { until } from '../support/real-herd.ts';

const DAY = 86_400_000;
const SETTINGS: RetentionSettings = {
  outputDays: 10,
  deploymentDays: 100,
  deploymentsPerGroup: 2,
  revisionDays: 50,
  revisionsPerApplication: 1,
  deadLetterDays: 30,
  tokenDays: 5,
};

describe('retention', () => {
  let directory: string;
  let database: Database;
  let store: RevisionStore;
  // A bundle's age is its file's, by the system's clock: the day of this test is far ahead of it.
  const clock = createFakeClock(Date.now() + 1_000 * DAY);
  const daysAgo = (days: number) => clock.now() - days * DAY;
  const run = () => createRetention({ database, clock, logger: silentLogger, store, settings: SETTINGS }).run();
  const ids = async (table: 'deployments' | 'revisions' | 'join_tokens' | 'operator_tokens') =>
    (await database.query.selectFrom(table).select('id').orderBy('id').execute()).map((row) => row.id);

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'drover-retention-'));
    database = openSqlite(':memory:');
    await database.migrate();
    store = createLocalDiskStore({ directory, randomness: seededRandomness() });
    await database.query
      .insertInto('applications')
      .values({ id: 'app-1', name: 'web', description: '', created_at: 0 })
      .execute();
    await addGroup('g-1', 'prod');
  });
  afterEach(async () => {
    await database.close();
    await rm(directory, { recursive: true, force: true });
  });

  it('removes old deployments whole, but not the last ones, the last good one, or one that runs', async () => {
    await addDeployment('d-good', 1, { completed_at: daysAgo(300) });
    await addDeployment('d-old', 2, { completed_at: daysAgo(200) });
    await addDeployment('d-running', 3, { completed_at: null, is_active: 1, status: 'InProgress' });
    await addDeployment('d-young', 4, { completed_at: daysAgo(99) });
    await addDeployment('d-last-but-one', 5, { completed_at: daysAgo(200) });
    await addDeployment('d-last', 6, { completed_at: daysAgo(200) });

    expect((await run()).deployments).to.equal(1);

    expect(await ids('deployments')).to.deep.equal(['d-good', 'd-last', 'd-last-but-one', 'd-running', 'd-young']);
    const targets = await database.query.selectFrom('targets').select('deployment_id').execute();
    expect(targets.map((target) => target.deployment_id)).not.to.include('d-old');
    expect(await database.query.selectFrom('lifecycle_events').selectAll().execute()).to.have.length(5);
  });

  it('removes all old deployments of groups that were deleted, but not the newest of all: what follows is numbered from it', async () => {
    const gone = { group_id: 'g-gone', group_name: 'pr-1' };
    await addDeployment('d-good', 1, { completed_at: daysAgo(300) });
    await addDeployment('d-old', 2, { ...gone, completed_at: daysAgo(200) });
    await addDeployment('d-young', 3, { ...gone, completed_at: daysAgo(99) });
    await addDeployment('d-newest', 4, { group_id: 'g-gone-too', group_name: 'pr-2', completed_at: daysAgo(200) });

    expect((await run()).deployments).to.equal(1);

    expect(await ids('deployments')).to.deep.equal(['d-good', 'd-newest', 'd-young']);
  });

  it('removes with a deployment what groups remember of its hosts from before it: they are not that any more', async () => {
    const canary = { group_id: 'g-2', group_name: 'canary' };
    await addGroup('g-2', 'canary');
    await addDeployment('d-good', 1, { completed_at: daysAgo(300) });
    for (const number of [2, 3, 4])
      await addDeployment(`d-${number}`, number, { ...canary, completed_at: daysAgo(200) });
    await database.query
      .insertInto('left_group_hosts')
      .values(
        ['h-2', 'h-3', 'h-9'].map((host_id) => ({
          group_id: 'g-1',
          host_id,
          revision_id: 'r-good',
          last_deployment_id: 'd-good',
          converge: null,
          last_good_revision_id: 'r-good',
          change_sequence: 1,
        })),
      )
      .execute();

    expect((await run()).deployments).to.equal(1);

    const left = await database.query.selectFrom('left_group_hosts').select('host_id').orderBy('host_id').execute();
    expect(left.map((host) => host.host_id)).to.deep.equal(['h-3', 'h-9']);
  });

  async function addUpdate(id: string, number: number, fields: { completed_at: number | null; wave: string }) {
    const { wave, ...rest } = fields;
    await database.query
      .insertInto('agent_updates')
      .values({
        id,
        number,
        version: '0.2.0',
        revision_id: 'r-1',
        settings: '{}',
        downgrade: 0,
        total_hosts: 1,
        status: rest.completed_at === null ? 'InProgress' : 'Succeeded',
        message: null,
        created_by: 'ana',
        created_at: 0,
        stop_requested_by: null,
        ...rest,
      })
      .execute();
    await database.query
      .insertInto('agent_update_waves')
      .values({ update_id: id, number: 1, deployment_id: wave, hosts: 1 })
      .execute();
  }

  it('keeps the waves of an agent update that is under way, however long ago they have ended', async () => {
    await addDeployment('d-good', 1, { completed_at: daysAgo(300) });
    await addDeployment('d-wave', 2, { completed_at: daysAgo(200) });
    await addDeployment('d-ended', 3, { completed_at: daysAgo(200) });
    await addDeployment('d-new', 4, { completed_at: daysAgo(2) });
    await addDeployment('d-newest', 5, { completed_at: daysAgo(1) });
    await addUpdate('u-running', 1, { completed_at: null, wave: 'd-wave' });
    await addUpdate('u-ended', 2, { completed_at: daysAgo(200), wave: 'd-ended' });

    expect((await run()).deployments).to.equal(1);

    expect(await ids('deployments')).to.deep.equal(['d-good', 'd-new', 'd-newest', 'd-wave']);
  });

  it('removes old agent updates once none of their deployments is kept', async () => {
    await addDeployment('d-good', 1, { completed_at: daysAgo(300) });
    await addUpdate('u-old', 1, { completed_at: daysAgo(200), wave: 'd-gone' });
    await addUpdate('u-kept', 2, { completed_at: daysAgo(200), wave: 'd-good' });
    await addUpdate('u-young', 3, { completed_at: daysAgo(99), wave: 'd-gone' });
    await addUpdate('u-running', 4, { completed_at: null, wave: 'd-gone' });

    expect((await run()).agentUpdates).to.equal(1);

    const waves = await database.query
      .selectFrom('agent_update_waves')
      .select('update_id')
      .orderBy('update_id')
      .execute();
    expect(waves.map((wave) => wave.update_id)).to.deep.equal(['u-kept', 'u-running', 'u-young']);
  });

  it('removes the output of deployments that ended long ago, and nothing else of them', async () => {
    await addDeployment('d-good', 1, { completed_at: daysAgo(11) });
    await addDeployment('d-young', 2, { completed_at: daysAgo(9) });

    expect(await run()).to.include({ outputs: 1, deployments: 0 });

    expect(await database.query.selectFrom('event_output').selectAll().execute()).to.have.length(1);
    expect(await database.query.selectFrom('lifecycle_events').selectAll().execute()).to.have.length(2);
    expect(await run()).to.include({ outputs: 0 });
  });

  it('removes output that comes after all of its deployment was removed', async () => {
    await addDeployment('d-good', 1, { completed_at: daysAgo(11) });
    await run();
    const chunk = { deploymentId: 'd-good', event: 'Install', offset: 0, data: Buffer.from('late').toString('base64') };
    await database.transaction((tx) => writeOutput(tx, [{ hostId: 'h-1', chunk }], 100));
    expect(await database.query.selectFrom('event_output').selectAll().execute()).to.have.length(1);

    expect(await run()).to.include({ outputs: 1 });

    expect(await database.query.selectFrom('event_output').selectAll().execute()).to.deep.equal([]);
  });

  it('looks for output once in a deployment, and by an index for those that may have some', async () => {
    const { database: explained, plansOf } = await openExplainedDatabase();
    await addDeployment('d-good', 1, { completed_at: daysAgo(11) }, explained);
    await addDeployment('d-without', 2, { completed_at: daysAgo(11) }, explained);
    await explained.query.deleteFrom('event_output').where('target_id', '=', 2).execute();
    const runExplained = () =>
      createRetention({ database: explained, clock, logger: silentLogger, store, settings: SETTINGS }).run();
    expect(await runExplained()).to.include({ outputs: 1 });

    const plans = await plansOf(runExplained);
    await explained.close();

    expect(plans).to.include('SEARCH deployments USING INDEX deployments_with_output (completed_at<?)');
    expect(plans.filter((plan) => /targets|event_output/.test(plan))).to.deep.equal([]);
  });

  it('removes little output at a time, however much there is: reports have their turn in between', async () => {
    await addDeployment('d-old', 1, { completed_at: daysAgo(11) });
    await addDeployment('d-older', 2, { completed_at: daysAgo(300) });
    for (const number of [3, 4, 5]) await addDeployment(`d-${number}`, number, {});
    await database.transaction((tx) =>
      tx.executeMany(
        'INSERT INTO event_output (target_id, event, "offset", data) VALUES (?, ?, ?, ?)',
        [1, 2].flatMap((id) => Array.from({ length: 1_000 }, (_, at) => [id, 'AfterInstall', at, Buffer.from('a')])),
      ),
    );
    const running = run();
    const seen: number[] = [];
    // Each look waits for what has asked for the database before, and nothing else of retention goes on meanwhile.
    do {
      const { pieces } = await database.query
        .selectFrom('event_output')
        .select((e) => e.fn.countAll<number>().as('pieces'))
        .executeTakeFirstOrThrow();
      seen.push(pieces);
    } while ((seen.at(-1) ?? 0) > 3);
    await running;
    const removed = seen.map((pieces, look) => (seen[look - 1] ?? pieces) - pieces);
    expect(Math.max(...removed)).to.be.at.most(512);
  });

  it('lets all else have its turn between two steps, so that the coordinator reads what hosts send meanwhile', async () => {
    await addDeployment('d-old', 1, { completed_at: daysAgo(11) });
    await database.transaction((tx) =>
      tx.executeMany(
        "INSERT INTO event_output (target_id, event, \"offset\", data) VALUES (1, 'AfterInstall', ?, 'a')",
        Array.from({ length: 1_000 }, (_, at) => [at]),
      ),
    );
    const seen: number[] = [];
    const nextTurn = async () => {
      seen.push((await database.query.selectFrom('event_output').select('target_id').execute()).length);
    };
    await createRetention({ database, clock, logger: silentLogger, store, settings: SETTINGS, nextTurn }).run();
    expect(seen).to.include.members([1_001, 0]);
    const removed = seen.map((pieces, look) => (seen[look - 1] ?? pieces) - pieces);
    expect(Math.max(...removed)).to.be.at.most(512);
  });

  it('removes revisions that nothing counts on any more', async () => {
    await addRevision('r-good', { registered_at: daysAgo(400) });
    await addRevision('r-unused', { registered_at: daysAgo(60) });
    await addRevision('r-used-lately', { registered_at: daysAgo(400), last_used_at: daysAgo(10) });
    await addRevision('r-installed', { registered_at: daysAgo(400) });
    await addRevision('r-deploying', { registered_at: daysAgo(400) });
    await addRevision('r-newest', { registered_at: daysAgo(55) });
    await addDeployment('d-1', 1, { completed_at: null, is_active: 1, revision_id: 'r-deploying' });
    await database.query
      .insertInto('group_hosts')
      .values({
        group_id: 'g-1',
        host_id: 'h-1',
        revision_id: 'r-installed',
        instance_health: 'Healthy',
        last_deployment_id: null,
        converge: null,
      })
      .execute();

    expect((await run()).revisions).to.equal(1);

    expect(await ids('revisions')).to.deep.equal(['r-deploying', 'r-good', 'r-installed', 'r-newest', 'r-used-lately']);
  });

  it('keeps a revision that was pushed again lately, however long ago it was registered', async () => {
    await addRevision('r-unused', { registered_at: daysAgo(60) });
    await addRevision('r-pushed-again', { registered_at: daysAgo(400), last_pushed_at: daysAgo(49) });
    await addRevision('r-newest', { registered_at: daysAgo(30) });

    expect((await run()).revisions).to.equal(1);

    expect(await ids('revisions')).to.deep.equal(['r-newest', 'r-pushed-again']);
  });

  it('keeps the good revision before the last one, however long ago that was deployed: a rollback by hand goes there', async () => {
    for (const id of ['r-good', 'r-before', 'r-long-before'])
      await addRevision(id, { registered_at: daysAgo(400), last_used_at: daysAgo(200) });
    await addRevision('r-newest', {});
    await addDeployment('d-long-before', 1, { revision_id: 'r-long-before' });
    await addDeployment('d-before', 2, { revision_id: 'r-before', previous_revision_id: 'r-long-before' });
    await addDeployment('d-first-good', 3, { revision_id: 'r-good', previous_revision_id: 'r-before' });
    await addDeployment('d-good', 4, { revision_id: 'r-good', previous_revision_id: 'r-good', is_restart: 1 });

    expect((await run()).revisions).to.equal(1);

    expect(await ids('revisions')).to.deep.equal(['r-before', 'r-good', 'r-newest']);
  });

  it('keeps what a host that has left its group runs, until the group calls another revision good', async () => {
    for (const id of ['r-left', 'r-left-before']) await addRevision(id, { registered_at: daysAgo(400) });
    await addRevision('r-newest', {});
    const left = { group_id: 'g-1', last_deployment_id: null, converge: 'behind', change_sequence: 1 };
    await database.query
      .insertInto('left_group_hosts')
      .values([
        { ...left, host_id: 'h-1', revision_id: 'r-left', last_good_revision_id: 'r-good' },
        { ...left, host_id: 'h-2', revision_id: 'r-left-before', last_good_revision_id: 'r-before' },
      ])
      .execute();

    expect((await run()).revisions).to.equal(1);

    expect(await ids('revisions')).to.deep.equal(['r-left', 'r-newest']);
  });

  it('removes few revisions at a time, and finds by an index who counts on each', async () => {
    const { database: explained, plansOf } = await openExplainedDatabase();
    await explained.query
      .insertInto('applications')
      .values({ id: 'app-1', name: 'web', description: '', created_at: 0 })
      .execute();
    await explained.transaction((tx) =>
      tx.executeMany(
        `INSERT INTO revisions (id, application, label, digest, bundle_type, size_bytes, description, registered_at, registered_by)
         VALUES (?, 'web', ?, ?, 'tar', 1, '', 0, 'ann')`,
        Array.from({ length: 501 }, (_, n) => [`r-${n}`, `${n}`, `${n}`]),
      ),
    );
    const count = async () => (await explained.query.selectFrom('revisions').select('id').execute()).length;
    const seen = [await count()];
    const plans = await plansOf(async () => {
      const running = createRetention({
        database: explained,
        clock,
        logger: silentLogger,
        store,
        settings: SETTINGS,
      }).run();
      // Each look waits for what has asked for the database before, and nothing else of retention goes on meanwhile.
      while (seen.at(-1) !== 1) seen.push(await count());
      await running;
    });
    await explained.close();

    expect(Math.max(...seen.map((left, look) => (seen[look - 1] ?? left) - left))).to.be.at.most(200);
    // `l` and `g`: hosts that have left a group, and that group.
    expect(plans.filter((plan) => /^SCAN (?:group_hosts|l|g)\b/.test(plan))).to.deep.equal([]);
    const byRevision = plans.filter((plan) => plan.includes('deployment_groups_by_good_revision'));
    expect(byRevision.map((plan) => plan.split(' ')[0])).to.deep.equal(['SEARCH']);
  });

  it('keeps the revision of an agent update that is under way, also between two of its waves', async () => {
    await addRevision('r-1', { registered_at: daysAgo(400) });
    await addRevision('r-2', { registered_at: daysAgo(400) });
    await addRevision('r-newest', { registered_at: daysAgo(55) });
    await addUpdate('u-running', 1, { completed_at: null, wave: 'd-wave' });

    await run();

    expect(await ids('revisions')).to.deep.equal(['r-1', 'r-newest']);
  });

  it('removes bundles that no revision names, and keeps the others', async () => {
    const named = await put('named');
    const orphan = await put('orphan');
    await addRevision('r-good', { digest: named });

    expect((await run()).bundles).to.equal(1);

    expect(await store.sizeOf(named)).to.equal(5);
    expect(await store.sizeOf(orphan)).to.equal(null);
  });

  it('leaves a bundle alone whose revision may be on its way', async () => {
    const fresh = await put('fresh');
    const now = createFakeClock(Date.now());
    await createRetention({ database, clock: now, logger: silentLogger, store, settings: SETTINGS }).run();
    expect(await store.sizeOf(fresh)).to.equal(5);
  });

  it('leaves a bundle alone that is pushed anew just when it would be removed', async () => {
    const digest = await put('again');
    const yesterday = new Date(Date.now() - DAY);
    await utimes((await store.pathOf(digest)) ?? '', yesterday, yesterday);
    const busy: RevisionStore = {
      ...store,
      async *list() {
        for await (const listed of store.list()) {
          await put('again');
          yield listed;
        }
      },
    };
    const now = createFakeClock(Date.now());
    await createRetention({ database, clock: now, logger: silentLogger, store: busy, settings: SETTINGS }).run();
    expect(await store.sizeOf(digest)).to.equal(5);
  });

  it('removes tokens some days after they expired', async () => {
    for (const [id, expiresAt] of [
      ['long-gone', daysAgo(6)],
      ['just-gone', daysAgo(4)],
      ['good', daysAgo(-1)],
    ] as const) {
      const common = { id, secret_hash: id, created_at: 0, created_by: 'ann', expires_at: expiresAt };
      await database.query
        .insertInto('join_tokens')
        .values({ ...common, tags: '{}', zone: null, scaling_group: null, uses_left: 1 })
        .execute();
      await database.query
        .insertInto('operator_tokens')
        .values({ ...common, name: id, role: 'viewer', last_used_at: null })
        .execute();
    }
    await database.query
      .insertInto('operator_tokens')
      .values({
        id: 'for-ever',
        secret_hash: 'x',
        name: 'for-ever',
        role: 'admin',
        created_at: 0,
        created_by: 'ann',
        last_used_at: null,
        expires_at: null,
      })
      .execute();

    expect((await run()).tokens).to.equal(2);

    expect(await ids('join_tokens')).to.deep.equal(['good', 'just-gone']);
    expect(await ids('operator_tokens')).to.deep.equal(['for-ever', 'good', 'just-gone']);
  });

  it('leaves the rest for the next time when the coordinator stops', async () => {
    await addDeployment('d-1', 1, { completed_at: daysAgo(500), is_active: 0, status: 'Failed' });
    await addDeployment('d-2', 2, { completed_at: daysAgo(400), is_active: 0, status: 'Failed' });
    await addDeployment('d-3', 3, {});
    await addDeployment('d-4', 4, {});
    const before = await ids('deployments');
    const retention = createRetention({ database, clock, logger: silentLogger, store, settings: SETTINGS });
    const stopped = await retention.run(AbortSignal.abort()).catch((error: unknown) => error);
    expect(stopped).to.have.property('name', 'AbortError');
    expect(await ids('deployments')).to.deep.equal(before);
    await run();
    expect(await ids('deployments')).to.have.length.below(before.length);
  });

  async function put(text: string): Promise<string> {
    async function* bytes() {
      yield Buffer.from(text);
    }
    return (await store.put(bytes(), { maxBytes: 100 })).digest;
  }

  async function addGroup(id: string, name: string): Promise<void> {
    await database.query
      .insertInto('deployment_groups')
      .values({
        id,
        application: 'web',
        name,
        settings: '{}',
        created_at: 0,
        updated_at: 0,
        last_good_revision_id: 'r-good',
        last_successful_deployment_id: 'd-good',
        last_attempted_deployment_id: null,
        aws_settings: '{}',
      })
      .execute();
  }

  async function addRevision(id: string, changes: Partial<RevisionRow>): Promise<void> {
    await database.query
      .insertInto('revisions')
      .values({
        id,
        application: 'web',
        label: id,
        digest: createHash('sha256').update(id).digest('hex'),
        bundle_type: 'tar',
        size_bytes: 1,
        source_url: null,
        description: '',
        registered_at: clock.now(),
        registered_by: 'ann',
        last_pushed_at: changes.registered_at ?? clock.now(),
        first_used_at: null,
        last_used_at: null,
        ...changes,
      })
      .execute();
  }

  /** With one target, one lifecycle event and one piece of its output. */
  async function addDeployment(
    id: string,
    number: number,
    changes: Partial<DeploymentRow>,
    to: Database = database,
  ): Promise<void> {
    await to.query
      .insertInto('deployments')
      .values({
        id,
        number,
        application: 'web',
        group_id: 'g-1',
        group_name: 'prod',
        revision_id: 'r-good',
        revision_label: 'good',
        revision_digest: 'x',
        previous_revision_id: null,
        previous_revision_label: null,
        status: 'Succeeded',
        ending_as: null,
        error_code: null,
        error_message: null,
        creator: 'user',
        created_by: 'ann',
        description: '',
        config_name: 'CodeDeployDefault.AllAtOnce',
        minimum_type: 'FLEET_PERCENT',
        minimum_value: 0,
        minimum_count: 0,
        total_hosts: 1,
        already_current_hosts: 0,
        forgotten_hosts: 0,
        count_pending: 0,
        count_pending_unhealthy: 0,
        count_in_progress: 0,
        count_succeeded: 1,
        count_failed: 0,
        count_skipped: 0,
        ignore_application_stop_failures: 0,
        update_outdated_instances_only: 0,
        file_exists_behavior: 'DISALLOW',
        auto_rollback: '{}',
        hook_environment: '{}',
        transient_units: 0,
        occupies_group: 1,
        is_partial: 0,
        is_active: 0,
        idempotency_key: null,
        follows_deployment_id: null,
        rollback_deployment_id: null,
        rollback_triggering_deployment_id: null,
        rollback_message: null,
        is_restart: 0,
        stop_requested_at: null,
        stop_requested_by: null,
        stop_rollback: null,
        created_at: 0,
        started_at: 0,
        completed_at: clock.now(),
        deadline_at: 0,
        output_cleared_at: null,
        version: 1,
        change_sequence: number,
        ...changes,
      })
      .execute();
    await to.query
      .insertInto('targets')
      .values({
        id: number,
        deployment_id: id,
        position: 0,
        host_id: `h-${number}`,
        host_name: `web-${number}`,
        status: 'Succeeded',
        was_healthy: 1,
        current_event: null,
        error_code: null,
        message: null,
        diagnostics: null,
        started_at: 0,
        accepted_at: 0,
        completed_at: 0,
        deadline_at: null,
        lost_deadline_at: null,
        late_end_until: null,
        late_end_told: 0,
        change_sequence: number,
      })
      .execute();
    await to.query
      .insertInto('lifecycle_events')
      .values({
        target_id: number,
        name: 'Install',
        status: 'Succeeded',
        started_at: 0,
        ended_at: 0,
        duration_ms: 1,
        diagnostics: null,
      })
      .execute();
    await to.query
      .insertInto('event_output')
      .values({ target_id: number, event: 'Install', offset: 0, data: Buffer.from('printed') })
      .execute();
  }
});

describe('the scheduler', function () {
  this.timeout(20_000);
  const RealDate = Date;
  let clock: FakeClock;
  let parts: { clock: Clock; logger: Logger };
  beforeEach(() => {
    clock = createFakeClock();
    parts = { clock, logger: silentLogger };
  });
  afterEach(() => {
    globalThis.Date = RealDate;
  });

  it('runs its tasks, outlives their failures, and stops', async () => {
    let runs = 0;
    let again = () => {};
    const ranTwice = new Promise<void>((resolve) => {
      again = resolve;
    });
    const task = {
      name: 'restless',
      // Every second.
      expression: '* * * * * *',
      run: async () => {
        runs++;
        if (runs === 2) again();
        throw new Error('this time it failed');
      },
    };
    const scheduler = startScheduler([task], parts);
    await ranTwice;
    await scheduler.stop();
    const atTheEnd = runs;
    expect(atTheEnd).to.be.greaterThan(1);
  });

  it('does what is due also when the clock was set forward meanwhile, or the machine stood still', async () => {
    let runs = 0;
    // In two to three seconds, and then tomorrow.
    const due = new Date(Date.now() + 3_000);
    const expression = `${due.getSeconds()} ${due.getMinutes()} ${due.getHours()} * * *`;
    const run = async () => void runs++;
    const scheduler = startScheduler([{ name: 'retention', expression, run }], parts);
    setForward(60_000);
    await until('it has run', 10_000, () => runs === 1);
    await sleep(foregroundClock, 100);
    await scheduler.stop();
    expect(runs).to.equal(1);
  });

  it('goes by the clock as it is when that was set back meanwhile', async () => {
    let runs = 0;
    const run = async () => void runs++;
    setForward(30 * DAY);
    const scheduler = startScheduler([{ name: 'retention', expression: '* * * * * *', run }], parts);
    globalThis.Date = RealDate;
    clock.setBack(30 * DAY);
    await clock.advance(60_000);
    await until('it has run', 5_000, () => runs > 0).finally(() => scheduler.stop());
  });

  it('begins nothing a second time because the clock was set back', async () => {
    let runs = 0;
    let end = () => {};
    const run = () => {
      runs++;
      return new Promise<void>((resolve) => {
        end = resolve;
      });
    };
    const scheduler = startScheduler([{ name: 'retention', expression: '* * * * * *', run }], parts);
    await until('it runs', 5_000, () => runs === 1);
    clock.setBack(DAY);
    await clock.advance(60_000);
    await sleep(foregroundClock, 1_500);
    expect(runs).to.equal(1);
    end();
    await until('it runs again', 5_000, () => runs === 2);
    const stopped = scheduler.stop();
    end();
    await stopped;
  });

  it('tells what runs when it is to end, and waits for that', async () => {
    const seen: string[] = [];
    const run = (stopping: AbortSignal) => {
      seen.push('begun');
      return new Promise<void>((_resolve, reject) =>
        stopping.addEventListener('abort', () => {
          seen.push('told to end');
          reject(stopping.reason);
        }),
      );
    };
    const scheduler = startScheduler([{ name: 'endless', expression: '* * * * * *', run }], parts);
    await until('it runs', 5_000, () => seen.length === 1);
    await scheduler.stop();
    expect(seen).to.deep.equal(['begun', 'told to end']);
  });

  /** As a step of NTP does, which timers do not see. */
  function setForward(byMs: number): void {
    class Ahead extends RealDate {
      constructor(...given: [] | [number | string | Date]) {
        if (given.length === 0) super(RealDate.now() + byMs);
        else super(given[0]);
      }
      static override now(): number {
        return RealDate.now() + byMs;
      }
    }
    globalThis.Date = Ahead as DateConstructor;
  }
});

import { expect } from 'chai';
import { sql } from 'kysely';
import type { Deployment } from '../../../../shared/model/deployment.ts';
import { ALL_AT_ONCE, aFleet, deployed, doing } from '../../../support/engine-fleet.ts';
import { ANN, createEngineWorld, type EngineWorld, type WorldHost } from '../../../support/engine-world.ts';

const NEW_IN_A_COPY: ReadonlySet<string> = new Set([
  'id',
  'number',
  'previous_revision_id',
  'previous_revision_label',
  'idempotency_key',
]);

describe('a rollback by hand', () => {
  const NO_ROLLBACK = { autoRollback: { enabled: false, events: [] } };
  let world: EngineWorld;
  let hosts: WorldHost[];
  beforeEach(async () => {
    world = await createEngineWorld();
    hosts = await aFleet(world, 2);
    await deployed(world, '1', ALL_AT_ONCE);
  });
  afterEach(() => world.close());
  const back = (): Promise<Deployment> =>
    world.deployments.rollbackGroup({ application: 'app', group: 'prod' }, { description: '' }, ANN);
  const onlyTo = (name: string) => ({ onlyHostNames: [name], ...NO_ROLLBACK });

  it('goes to the good revision before the one that the group runs', async () => {
    await deployed(world, '2', ALL_AT_ONCE);
    await deployed(world, '3', ALL_AT_ONCE);
    expect(await back()).to.include({ revisionLabel: '2' });
  });

  it('goes there however often the good revision was deployed again since', async () => {
    const { id } = await deployed(world, '2', ALL_AT_ONCE);
    const columns = async (table: string) =>
      (await sql<{ name: string }>`SELECT name FROM pragma_table_info(${table})`.execute(world.database.query)).rows;
    const others = (await columns('deployments')).map(({ name }) => name).filter((name) => !NEW_IN_A_COPY.has(name));
    await world.database.transaction((tx) =>
      tx.executeMany(
        `INSERT INTO deployments (id, number, previous_revision_id, previous_revision_label, idempotency_key, ${others})
         SELECT ?, ?, revision_id, revision_label, NULL, ${others} FROM deployments WHERE id = ?`,
        Array.from({ length: 250 }, (_, n) => [`d-again-${n}`, 1_000 + n, id]),
      ),
    );
    await world.database.query
      .updateTable('deployment_groups')
      .set({ last_successful_deployment_id: 'd-again-249' })
      .execute();
    expect(await back()).to.include({ revisionLabel: '1' });
  });

  it('goes to the last good one after a failure, also when a part of the group was healed since', async () => {
    await deployed(world, '2', ALL_AT_ONCE);
    for (const host of hosts) host.behaviour = doing({ 3: 'fail' });
    await deployed(world, '3', { ...ALL_AT_ONCE, ...NO_ROLLBACK });
    await deployed(world, '2', onlyTo('web-1'));
    expect(await back()).to.include({ revisionLabel: '2' });
  });

  it('goes to the last good one after a failure, also when the revision that failed was removed', async () => {
    await deployed(world, '2', ALL_AT_ONCE);
    for (const host of hosts) host.behaviour = doing({ 3: 'fail' });
    await deployed(world, '3', { ...ALL_AT_ONCE, ...NO_ROLLBACK });
    await world.database.query.deleteFrom('revisions').where('label', '=', '3').execute();
    expect(await back()).to.include({ revisionLabel: '2' });
  });

  it('goes behind a revision that failed at first and that the rest of the group has got since', async () => {
    await deployed(world, '2', ALL_AT_ONCE);
    for (const host of hosts) host.behaviour = doing({ 3: 'fail' });
    await deployed(world, '3', { ...ALL_AT_ONCE, ...NO_ROLLBACK });
    for (const host of hosts) host.behaviour = () => 'succeed';
    for (const { name } of hosts) await deployed(world, '3', onlyTo(name));
    expect(await back()).to.include({ revisionLabel: '2' });
  });

  it('takes a part back to what the rest of the group runs', async () => {
    await deployed(world, '2', ALL_AT_ONCE);
    await deployed(world, '3', onlyTo('web-1'));
    expect(await back()).to.include({ revisionLabel: '2' });
  });

  it('goes behind the revision that hosts which joined meanwhile have followed on to', async () => {
    for (const host of hosts) host.behaviour = doing({ 2: 'hang' });
    const { id } = await deployed(world, '2', ALL_AT_ONCE);
    await world.addHost('web-3');
    await world.run(200);
    for (const host of hosts) world.finish(host, id, 'succeed');
    await world.run(200);
    expect((await world.history.getTarget(id, 'web-1')).status).to.equal('Succeeded');
    expect(await back()).to.include({ revisionLabel: '1' });
  });

  it('treats files that are there as the deployment did with which the revision succeeded', async () => {
    await deployed(world, '2', { ...ALL_AT_ONCE, fileExistsBehavior: 'RETAIN' });
    await deployed(world, '3', { ...ALL_AT_ONCE, fileExistsBehavior: 'OVERWRITE' });
    expect(await back()).to.include({ revisionLabel: '2', fileExistsBehavior: 'RETAIN' });
  });

  it('knows a revision that came to the group in parts as good', async () => {
    for (const { name } of hosts) await deployed(world, '2', onlyTo(name));
    await deployed(world, '3', ALL_AT_ONCE);
    expect(await back()).to.include({ revisionLabel: '2' });
  });
});

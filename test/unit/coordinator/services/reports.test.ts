import { expect } from 'chai';
import { sql } from 'kysely';
import { writeOutput } from '../../../../coordinator/services/output-batch.ts';
import type { Report } from '../../../../shared/protocol/messages.ts';
import { ALL_AT_ONCE, aFleet, deployed } from '../../../support/engine-fleet.ts';
import { createEngineWorld, type EngineWorld, type WorldHost } from '../../../support/engine-world.ts';

describe('reports', () => {
  let world: EngineWorld;
  let host: WorldHost;
  let deploymentId: string;
  beforeEach(async () => {
    world = await createEngineWorld();
    const [first] = await aFleet(world, 2, () => 'ignore');
    if (first === undefined) throw new Error('no host');
    host = first;
    deploymentId = (await deployed(world, '1', ALL_AT_ONCE)).id;
  });
  afterEach(() => world.close());

  const accepted = (sequence: number): Report[] => [{ kind: 'accepted', deploymentId, at: 0, sequence }];
  const isAccepted = async () => {
    const row = await world.database.query
      .selectFrom('targets')
      .select('accepted_at')
      .where('host_id', '=', host.id)
      .executeTakeFirstOrThrow();
    return row.accepted_at !== null;
  };
  const settled = <T>(promise: Promise<T>) =>
    Promise.race([
      promise.then(String, (error: Error) => error.message),
      new Promise((resolve) => setImmediate(resolve, 'not yet')),
    ]);

  it('are committed with others after a moment, and at once when somebody waits for them', async () => {
    world.reports.receive(host.id, accepted(host.sequence + 1), []);
    await world.clock.advance(2);
    expect(await isAccepted()).to.equal(false);
    await world.clock.advance(1);
    expect(await isAccepted()).to.equal(true);
    world.reports.receive(host.id, [event(host.sequence + 2)], []);
    world.reports.receive(host.id, [event(host.sequence + 3, 'DownloadBundle')], [], true);
    await world.clock.advance(0);
    const { lifecycleEvents } = await world.history.getTarget(deploymentId, host.name);
    expect(lifecycleEvents.slice(0, 2).map((one) => one.status)).to.deep.equal(['Succeeded', 'Succeeded']);
  });

  it('of the end of a host’s part are committed at once, with what waits', async () => {
    world.reports.receive(host.id, [event(host.sequence + 1)], []);
    const sequence = host.sequence + 2;
    world.reports.receive(
      host.id,
      [{ kind: 'finished', deploymentId, status: 'Failed', at: 0, installedRevisionId: null, message: 'no', sequence }],
      [],
    );
    await world.clock.advance(0);
    const target = await world.history.getTarget(deploymentId, host.name);
    expect(target.status).to.equal('Failed');
    expect(target.lifecycleEvents[0]?.status).to.equal('Succeeded');
  });

  it('are committed also beside output that had passed its bound before that was raised', async () => {
    const printed = (offset: number, text: string) => ({
      deploymentId,
      event: 'ApplicationStop',
      offset,
      data: Buffer.from(text).toString('base64'),
    });
    for (const chunk of [printed(0, 'kept'), printed(4, ' too much')])
      await world.database.transaction((tx) => writeOutput(tx, [{ hostId: host.id, chunk }], 4));
    world.reports.receiveOutput(host.id, [printed(13, ' and more')]);
    world.reports.receive(host.id, accepted(host.sequence + 1), []);
    await world.clock.advance(10);
    expect(await isAccepted()).to.equal(true);
    const place = { deployment: deploymentId, host: host.name, event: 'ApplicationStop' };
    const output = await world.history.getOutput(place, { offset: 0, limitBytes: 100 });
    expect(output).to.include({ text: 'kept', length: 22, isTruncated: true });
  });

  it('are given up when the coordinator stops and its disk takes nothing; they are tried for ever when it does not', async () => {
    const { database, reports } = world;
    const { transaction } = database;
    let tries = 0;
    database.transaction = async () => {
      tries++;
      throw new Error('database or disk is full');
    };
    try {
      reports.receive(host.id, accepted(host.sequence + 1), []);
      const refused = reports.receiveIf(host.id, [event(host.sequence + 2)], [], async () => true);
      refused.catch(() => undefined);
      await world.clock.advance(60_000);
      expect(tries).to.be.above(50);
      expect(await settled(refused)).to.equal('not yet');
      reports.stopping();
      const drained = reports.drained();
      await world.clock.advance(3_000);
      expect(await settled(drained)).to.equal('undefined');
      expect(await settled(refused)).to.match(/counts as gone/);
    } finally {
      database.transaction = transaction;
      world.faults.length = 0;
    }
    expect(await isAccepted()).to.equal(false);
  });

  it('and output are not kept of channels that are gone while the database refuses them: their host brings them again', async () => {
    const { database, reports } = world;
    const { transaction } = database;
    database.transaction = async () => {
      throw new Error('database or disk is full');
    };
    const brought = (text: string) => ({
      deploymentId,
      event: 'ApplicationStop',
      offset: 0,
      data: Buffer.from(text).toString('base64'),
    });
    try {
      for (let connections = 1; connections <= 12; connections++) {
        await reports.openJournal(host.id, host.journalId);
        reports.receive(host.id, accepted(host.sequence + 1), []);
        reports.receiveOutput(
          host.id,
          Array.from({ length: 2_000 }, () => brought(`brought ${connections} times`)),
        );
        await world.clock.advance(1_000);
        expect(reports.hasRoom()).to.equal(true);
      }
    } finally {
      database.transaction = transaction;
      world.faults.length = 0;
    }
    await world.clock.advance(1_000);
    expect(await isAccepted()).to.equal(true);
    const place = { deployment: deploymentId, host: host.name, event: 'ApplicationStop' };
    const output = await world.history.getOutput(place, { offset: 0, limitBytes: 100 });
    expect(output.text).to.equal('brought 12 times');
  });

  describe('that the database does not take', () => {
    let other: WorldHost;
    beforeEach(() => {
      const second = [...world.hosts.values()].find(({ id }) => id !== host.id);
      if (second === undefined) throw new Error('no second host');
      other = second;
    });
    afterEach(() => {
      expect(world.faults).to.not.deep.equal([]);
      world.faults.length = 0;
    });
    const refuse = (table: string, condition: string) =>
      sql
        .raw(
          `CREATE TRIGGER refused_${table} BEFORE INSERT ON ${table} WHEN ${condition} BEGIN SELECT RAISE(ABORT, 'refused'); END`,
        )
        .execute(world.database.query);
    const take = (table: string) => sql.raw(`DROP TRIGGER refused_${table}`).execute(world.database.query);
    const eventsOf = async ({ name }: WorldHost) =>
      (await world.history.getTarget(deploymentId, name)).lifecycleEvents
        .filter((one) => one.status === 'Succeeded')
        .map((one) => one.name);
    const outputOf = (name: string) =>
      world.history
        .getOutput({ deployment: deploymentId, host: name, event: 'ApplicationStop' }, { offset: 0, limitBytes: 100 })
        .then(({ text }) => text, String);
    const printed = (text: string) => ({
      deploymentId,
      event: 'ApplicationStop',
      offset: 0,
      data: Buffer.from(text).toString('base64'),
    });
    const NAMES = ['ApplicationStop', 'DownloadBundle', 'BeforeInstall'];

    it('hold up their host alone, and are committed in their order once it takes them', async () => {
      await refuse('lifecycle_events', `NEW.target_id = (SELECT id FROM targets WHERE host_id = '${host.id}')`);
      for (const [index, name] of NAMES.entries())
        for (const one of [host, other]) world.reports.receive(one.id, [event(one.sequence + 1 + index, name)], []);
      world.reports.receiveOutput(host.id, [printed('of the one')]);
      await world.clock.advance(5_000);
      expect(await eventsOf(other)).to.deep.equal(NAMES);
      expect(await outputOf(host.name)).to.equal('of the one');
      expect(await eventsOf(host)).to.deep.equal([]);
      // Nor does anybody who comes later wait for it.
      world.reports.receive(other.id, [event(other.sequence + 4, 'AfterInstall')], [], true);
      await world.clock.advance(1);
      expect(await eventsOf(other)).to.deep.equal([...NAMES, 'AfterInstall']);
      await take('lifecycle_events');
      await world.clock.advance(1_000);
      expect(await eventsOf(host)).to.deep.equal(NAMES);
    });

    it('hold up none of their own host when they are output', async () => {
      await refuse('event_output', 'true');
      world.reports.receiveOutput(host.id, [printed('of the one')]);
      for (const [index, name] of NAMES.entries())
        for (const one of [host, other]) world.reports.receive(one.id, [event(one.sequence + 1 + index, name)], []);
      await world.clock.advance(5_000);
      for (const one of [host, other]) expect(await eventsOf(one)).to.deep.equal(NAMES);
      await take('event_output');
      await world.clock.advance(1_000);
      expect(await outputOf(host.name)).to.equal('of the one');
    });
  });

  it('that depend on something are committed together with it, or not at all', async () => {
    const refused = world.reports.receiveIf(host.id, accepted(host.sequence + 1), [], async () => false);
    await world.clock.advance(0);
    expect(await settled(refused)).to.equal('false');
    expect(await isAccepted()).to.equal(false);
    // The number is free again.
    const admitted = world.reports.receiveIf(host.id, accepted(host.sequence + 1), [], async ({ query }) => {
      await query.updateTable('hosts').set({ agent_version: 'noted' }).where('id', '=', host.id).execute();
      return true;
    });
    expect(await settled(admitted)).to.equal('not yet');
    await world.clock.advance(0);
    expect(await settled(admitted)).to.equal('true');
    expect(await isAccepted()).to.equal(true);
    const row = await world.database.query
      .selectFrom('hosts')
      .select('agent_version')
      .where('id', '=', host.id)
      .executeTakeFirst();
    expect(row?.agent_version).to.equal('noted');
  });

  it('that depend on something are given up with the channel that brought them', async () => {
    const given = world.reports.receiveIf(host.id, accepted(host.sequence + 1), [], async () => true);
    given.catch(() => undefined);
    world.reports.closeJournal(host.id);
    await world.clock.advance(0);
    expect(await settled(given)).to.match(/counts as gone/);
    expect(await isAccepted()).to.equal(false);
    const afterwards = world.reports.receiveIf(host.id, accepted(host.sequence + 1), [], async () => true);
    expect(await settled(afterwards)).to.match(/counts as gone/);
  });

  function event(sequence: number, name = 'ApplicationStop'): Report {
    return { kind: 'event', deploymentId, event: name, status: 'Succeeded', startedAt: 0, durationMs: 1, sequence };
  }
});

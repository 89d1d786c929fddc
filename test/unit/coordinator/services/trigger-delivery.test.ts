import { expect } from 'chai';
import { sql } from 'kysely';
import { createTriggerOutbox, type TriggerOutbox } from '../../../../coordinator/engine/trigger-outbox.ts';
import type { OutgoingMessage, SendOutcome } from '../../../../coordinator/notifications/notifier.ts';
import { createTriggerDelivery, type TriggerDelivery } from '../../../../coordinator/services/trigger-delivery.ts';
import { createTriggerMessages } from '../../../../coordinator/services/trigger-messages.ts';
import type { Database } from '../../../../coordinator/storage/database.ts';
import { openSqlite } from '../../../../coordinator/storage/sqlite.ts';
import type { DeploymentRow } from '../../../../coordinator/storage/tables.ts';
import { silentLogger } from '../../../../shared/core/logger.ts';
import { ANN, createEngineWorld } from '../../../support/engine-world.ts';
import { createFakeClock, type FakeClock } from '../../../support/fake-clock.ts';
import { seededRandomness } from '../../../support/fake-randomness.ts';

const A = 'https://a.example/';
const B = 'https://b.example/';
const DAY_MS = 86_400_000;

describe('the delivery of triggers’ messages', () => {
  let clock: FakeClock;
  let database: Database;
  let delivery: TriggerDelivery;
  let outbox: TriggerOutbox;
  let row: DeploymentRow;
  /** What was sent: `a:id`, in order. */
  let sent: { target: string; id: string; at: number }[];
  let answer: (message: OutgoingMessage, signal: AbortSignal) => SendOutcome | Promise<SendOutcome>;
  let counted: string[];
  let errors: number;
  let underWay = 0;
  let mostAtOnce = 0;
  const settings = { triggerTimeoutMs: 10_000, triggerGiveUpAfterMs: DAY_MS, triggerAttempts: 5, deadLetters: 3 };

  before(async () => {
    const world = await createEngineWorld();
    await world.addHost('web-1');
    await world.addRevision('1');
    await world.addGroup('prod');
    await world.deploy('1');
    row = await world.database.query.selectFrom('deployments').selectAll().executeTakeFirstOrThrow();
    await world.close();
  });

  beforeEach(async () => {
    clock = createFakeClock();
    database = openSqlite(':memory:');
    await database.migrate();
    sent = [];
    counted = [];
    mostAtOnce = 0;
    errors = 0;
    answer = () => ({ kind: 'delivered' });
    outbox = createTriggerOutbox({
      randomness: seededRandomness(3),
      names: { region: 'r', accountId: '1' },
      maxWaiting: 5,
      wake: () => delivery.wake(),
    });
    delivery = newDelivery();
    await delivery.start();
  });
  afterEach(async () => {
    await delivery.stop();
    await database.close();
  });

  function newDelivery(): TriggerDelivery {
    return createTriggerDelivery({
      database,
      clock,
      randomness: seededRandomness(5),
      logger: { ...silentLogger, error: () => void errors++ },
      settings,
      counted: (outcome, messages) => void counted.push(`${outcome} ${messages}`),
      notifier: {
        async send(message, signal) {
          sent.push({ target: message.target, id: message.id, at: clock.now() });
          underWay++;
          mostAtOnce = Math.max(mostAtOnce, underWay);
          try {
            return await answer(message, signal);
          } finally {
            underWay--;
          }
        },
      },
    });
  }

  const messages = () => database.query.selectFrom('trigger_messages').selectAll().orderBy('sequence').execute();
  const service = () => createTriggerMessages({ database, clock, wake: delivery.wake });

  /** Writes as many messages to each target, and returns their ids in order. */
  async function write(count: number, ...targets: string[]): Promise<string[]> {
    const triggers = targets.map((target, at) => ({ name: `t${at}`, target, events: ['DeploymentStart'] }));
    await database.query
      .insertInto('deployment_groups')
      .values({
        id: row.group_id,
        application: 'app',
        name: 'prod',
        settings: JSON.stringify({ triggers }),
        created_at: 0,
        updated_at: 0,
        last_good_revision_id: null,
        last_successful_deployment_id: null,
        last_attempted_deployment_id: null,
        aws_settings: '{}',
      })
      .onConflict((conflict) => conflict.column('id').doUpdateSet({ settings: JSON.stringify({ triggers }) }))
      .execute();
    for (let n = 0; n < count; n++)
      await database.transaction((tx) => outbox.deployment(tx, 'DeploymentStart', row, clock.now()));
    return (await messages()).map((message) => message.id).slice(-count * targets.length);
  }

  it('sends every message once, to each target in order, and keeps nothing', async () => {
    const ids = await write(3, A);
    await clock.advance(1_000);
    expect(sent.map((one) => one.id)).to.deep.equal(ids);
    expect(await messages()).to.deep.equal([]);
    expect(counted).to.deep.equal(['delivered 1', 'delivered 1', 'delivered 1']);
  });

  it('tries again under the same id with growing pauses, and lets nothing overtake', async () => {
    const [first, second] = await write(2, A);
    let failures = 3;
    answer = () =>
      failures-- > 0 ? { kind: 'failed', reason: 'answered 500', retryAfterMs: null } : { kind: 'delivered' };
    await clock.advance(60_000);
    expect(sent.map((one) => one.id)).to.deep.equal([first, first, first, first, second]);
    const pauses = sent.slice(1, 4).map((one, at) => one.at - (sent[at]?.at ?? 0));
    // Full jitter over windows of 1, 2 and 4 s, at least a tenth of each; some ms until it is looked for.
    for (const [at, windowMs] of [1_000, 2_000, 4_000].entries())
      expect(pauses[at]).to.be.within(windowMs / 10, windowMs + 100);
  });

  it('waits as long as the target asks for, up to its largest pause', async () => {
    await write(1, A);
    let retryAfterMs = 60_000;
    answer = () => ({ kind: 'failed', reason: 'answered 503', retryAfterMs });
    await clock.advance(30_000);
    expect(sent).to.have.length(1);
    retryAfterMs = 10 * DAY_MS;
    await clock.advance(31_000);
    expect(sent).to.have.length(2);
    await clock.advance(600_100);
    expect(sent).to.have.length(3);
  });

  it('waits no longer than its largest pause when the clock is set back', async () => {
    await write(1, A);
    answer = () => ({ kind: 'failed', reason: 'answered 503', retryAfterMs: null });
    await clock.advance(100);
    expect(sent).to.have.length(1);
    answer = () => ({ kind: 'delivered' });
    clock.setBack(3 * DAY_MS);
    await clock.advance(620_000);
    expect(sent).to.have.length(2);
  });

  it('does not let a target that is down hold up another', async () => {
    await write(2, A, B);
    answer = ({ target }) =>
      target === A ? { kind: 'failed', reason: 'down', retryAfterMs: null } : { kind: 'delivered' };
    await clock.advance(200);
    expect((await messages()).map((one) => one.target)).to.deep.equal([A, A]);
  });

  it('gives an attempt up after its time', async () => {
    await write(1, A);
    answer = (_message, signal) =>
      new Promise((resolve) =>
        signal.addEventListener('abort', () =>
          resolve({ kind: 'failed', reason: 'no answer in time', retryAfterMs: null }),
        ),
      );
    await clock.advance(9_000);
    expect((await messages())[0]?.attempts).to.equal(0);
    await clock.advance(1_100);
    expect((await messages())[0]).to.include({ attempts: 1, last_error: 'no answer in time' });
  });

  it('makes a dead letter of what a target refuses, at once, and goes on with the next', async () => {
    const [first, second] = await write(2, A);
    answer = ({ id }) => (id === first ? { kind: 'refused', reason: 'answered 410' } : { kind: 'delivered' });
    await clock.advance(100);
    expect(sent.map((one) => one.id)).to.deep.equal([first, second]);
    expect(await service().list({ limit: 10, state: 'dead' })).to.have.nested.property(
      'items[0].lastError',
      'answered 410',
    );
  });

  it('makes a dead letter after the last attempt', async () => {
    await write(1, A);
    answer = () => ({ kind: 'failed', reason: 'answered 500', retryAfterMs: null });
    await clock.advance(3_600_000);
    expect(sent).to.have.length(settings.triggerAttempts);
    const [dead] = (await service().list({ limit: 10 })).items;
    expect(dead).to.include({ state: 'dead', attempts: 5, lastError: 'answered 500', nextAttemptAt: null });
    expect(counted.at(-1)).to.equal('dead 1');
  });

  it('makes dead letters of all that waited too long when one of them fails once more', async () => {
    const ids = await write(3, A);
    await delivery.stop();
    await clock.advance(DAY_MS);
    answer = () => ({ kind: 'failed', reason: 'down', retryAfterMs: null });
    delivery = newDelivery();
    await delivery.start();
    await clock.advance(1_000);
    expect(sent.map((one) => one.id)).to.deep.equal([ids[0]]);
    const { items } = await service().list({ limit: 10, state: 'dead' });
    expect(items.map((one) => one.lastError)).to.deep.equal([
      'down',
      'waited too long behind others, of which the last failed: down',
      'waited too long behind others, of which the last failed: down',
    ]);
  });

  it('still tries what became old while the coordinator was down', async () => {
    await write(1, A);
    await delivery.stop();
    await clock.advance(2 * DAY_MS);
    delivery = newDelivery();
    await delivery.start();
    await clock.advance(1_000);
    expect(await messages()).to.deep.equal([]);
  });

  it('delivers a dead letter again, under the same id, when an operator asks for it', async () => {
    const [id = ''] = await write(1, A);
    answer = () => ({ kind: 'refused', reason: 'answered 410' });
    await clock.advance(100);
    answer = () => ({ kind: 'delivered' });
    const again = await service().retry(id, ANN);
    expect(again).to.include({ id, state: 'waiting', attempts: 0 });
    await clock.advance(100);
    expect(sent.map((one) => one.id)).to.deep.equal([id, id]);
    expect(await messages()).to.deep.equal([]);
  });

  it('retries all dead letters, or those of one target', async () => {
    await write(1, A, B);
    answer = () => ({ kind: 'refused', reason: 'no' });
    await clock.advance(100);
    answer = () => ({ kind: 'delivered' });
    expect(await service().retryDead({ target: B }, ANN)).to.deep.equal({ retried: 1 });
    await clock.advance(100);
    expect((await messages()).map((one) => one.target)).to.deep.equal([A]);
    expect(await service().retryDead({}, ANN)).to.deep.equal({ retried: 1 });
    await clock.advance(100);
    expect(await messages()).to.deep.equal([]);
  });

  it('keeps as many waiting messages for a target as it may; the rest are dead letters that can be retried', async () => {
    answer = () => ({ kind: 'failed', reason: 'down', retryAfterMs: 3_600_000 });
    await write(7, A);
    expect((await messages()).filter((one) => one.dead_at === null)).to.have.length(5);
    const { items } = await service().list({ limit: 10, state: 'dead' });
    expect(items.map((one) => one.lastError)).to.deep.equal(Array(2).fill('5 messages were waiting for this target'));
  });

  it('keeps as many dead letters as it may, the newest ones', async () => {
    answer = () => ({ kind: 'refused', reason: 'no' });
    const ids = [];
    for (let n = 0; n < 5; n++) {
      ids.push(...(await write(1, A)).slice(-1));
      await clock.advance(1_000);
    }
    expect((await messages()).map((one) => one.id)).to.deep.equal(ids.slice(-settings.deadLetters));
    expect(counted).to.include('dropped 1');
  });

  it('sends to sixteen targets at once, and to the rest in their turn', async () => {
    const targets = Array.from({ length: 40 }, (_, n) => `https://${n}.example/`);
    const held: (() => void)[] = [];
    answer = () => new Promise((resolve) => held.push(() => resolve({ kind: 'delivered' })));
    for (const target of targets) await write(1, target);
    await clock.advance(1_000);
    expect(underWay).to.equal(16);
    while (held.length > 0) {
      held.shift()?.();
      await clock.advance(100);
    }
    expect(mostAtOnce).to.equal(16);
    expect(new Set(sent.map((one) => one.target)).size).to.equal(40);
    expect(await messages()).to.deep.equal([]);
  });

  describe('while nothing can be written', () => {
    const setFull = (isFull: boolean) =>
      sql.raw(`PRAGMA query_only = ${isFull ? 'ON' : 'OFF'}`).execute(database.query);

    it('sends what was delivered once, and goes on with the next when that is written', async () => {
      const ids = await write(2, A);
      await setFull(true);
      await clock.advance(3_600_000);
      expect(sent.map((one) => one.id)).to.deep.equal([ids[0]]);
      await setFull(false);
      await clock.advance(31_000);
      expect(sent.map((one) => one.id)).to.deep.equal(ids);
      expect(await messages()).to.deep.equal([]);
      expect(counted).to.deep.equal(['delivered 1', 'delivered 1']);
    });

    it('tries to write an outcome with growing pauses', async () => {
      await write(1, A);
      await setFull(true);
      await clock.advance(3_600_000);
      // After 1, 2, 4, 8 and 16 s, and then each 30 s.
      expect(errors).to.be.within(110, 130);
      await setFull(false);
    });

    it('sends a message that failed no more until that is written, and counts it once', async () => {
      const [id] = await write(1, A);
      answer = () => ({ kind: 'failed', reason: 'answered 500', retryAfterMs: 60_000 });
      const failedAt = clock.now() + 20;
      await setFull(true);
      await clock.advance(20_000);
      expect(sent).to.have.length(1);
      await setFull(false);
      await clock.advance(20_000);
      expect((await messages())[0]).to.include({ attempts: 1, next_attempt_at: failedAt + 60_000 });
      expect(sent).to.have.length(1);
      answer = () => ({ kind: 'delivered' });
      await clock.advance(21_000);
      expect(sent.map((one) => one.id)).to.deep.equal([id, id]);
      expect(counted).to.deep.equal(['failed 1', 'delivered 1']);
    });

    it('makes dead letters of what a target refused when that can be written', async () => {
      await write(1, A);
      answer = () => ({ kind: 'refused', reason: 'answered 410' });
      await setFull(true);
      await clock.advance(60_000);
      expect(sent).to.have.length(1);
      await setFull(false);
      await clock.advance(31_000);
      expect((await messages())[0]).to.include({ attempts: 1, last_error: 'answered 410' });
      expect(counted).to.deep.equal(['failed 1', 'dead 1']);
    });

    it('waits for no outcome of a message that an operator has removed', async () => {
      const [first = ''] = await write(1, A);
      await setFull(true);
      await clock.advance(60_000);
      await setFull(false);
      await service().delete(first, ANN);
      const [second] = await write(1, A);
      await clock.advance(31_000);
      expect(sent.map((one) => one.id)).to.deep.equal([first, second]);
      expect(await messages()).to.deep.equal([]);
    });

    it('may send again what the process before could not write', async () => {
      const [id] = await write(1, A);
      await setFull(true);
      await clock.advance(60_000);
      await delivery.stop();
      await setFull(false);
      delivery = newDelivery();
      await delivery.start();
      await clock.advance(100);
      expect(sent.map((one) => one.id)).to.deep.equal([id, id]);
      expect(await messages()).to.deep.equal([]);
    });
  });

  it('counts no attempt that its own stop has cut off', async () => {
    await write(1, A);
    answer = (_message, signal) =>
      new Promise((resolve) =>
        signal.addEventListener('abort', () => resolve({ kind: 'failed', reason: 'cut off', retryAfterMs: null })),
      );
    await clock.advance(100);
    expect(underWay).to.equal(1);
    await delivery.stop();
    expect((await messages())[0]).to.include({ attempts: 0, last_error: null });
  });
});

import { expect } from 'chai';
import { hashSecret } from '../../../../coordinator/auth/tokens.ts';
import { createEnrolment } from '../../../../coordinator/services/enrolment.ts';
import { openSqlite } from '../../../../coordinator/storage/sqlite.ts';
import { createFakeClock } from '../../../support/fake-clock.ts';
import { seededRandomness } from '../../../support/fake-randomness.ts';
import { newKeys } from '../../../support/raw-agent.ts';

describe('an enrolment that is asked for again', () => {
  it('puts the host into its groups when that had failed after the host was written', async () => {
    const database = openSqlite(':memory:');
    await database.migrate();
    const clock = createFakeClock();
    await database.query
      .insertInto('join_tokens')
      .values({
        id: 't-1',
        secret_hash: hashSecret('drover_join_x'),
        tags: '{}',
        zone: null,
        scaling_group: null,
        uses_left: 1,
        created_at: clock.now(),
        created_by: 'ann',
        expires_at: clock.now() + 1_000,
      })
      .execute();
    const placed: string[] = [];
    let isDiskFull = true;
    const enrolment = createEnrolment({
      database,
      clock,
      randomness: seededRandomness(1),
      coordinatorId: 'c-1',
      async hostChanged(_tx, hostId) {
        if (isDiskFull) throw new Error('disk full');
        placed.push(hostId);
        return () => {};
      },
    });
    const request = { joinToken: 'drover_join_x', publicKey: newKeys().publicKey, name: 'web-1', facts: {} };
    const ask = () => enrolment.enrol(request as Parameters<typeof enrolment.enrol>[0], '127.0.0.1');

    const refusal = await ask().catch((error: unknown) => error);
    expect(refusal).to.include({ message: 'disk full' });
    isDiskFull = false;
    const { hostId } = await ask();
    expect(placed).to.deep.equal([hostId]);
    await database.close();
  });
});

import { expect } from 'chai';
import { createAudit } from '../../../../coordinator/services/audit.ts';
import { type ExplainedDatabase, openExplainedDatabase } from '../../../support/explained-database.ts';

describe('the audit record', () => {
  let explained: ExplainedDatabase;
  beforeEach(async () => {
    explained = await openExplainedDatabase();
  });
  afterEach(() => explained.database.close());
  const write = (...records: (readonly [at: number, actor: string])[]) =>
    explained.database.transaction((tx) =>
      tx.executeMany(
        "INSERT INTO audit (at, actor, action, subject, details) VALUES (?, ?, 'host.tag', 'web-1', '{}')",
        records,
      ),
    );
  const list = (query: { actor?: string; subject?: string; since?: number; cursor?: string; limit?: number }) =>
    createAudit(explained).list({ limit: 50, ...query });
  const timesOf = async (query: Parameters<typeof list>[0]) => (await list(query)).items.map(({ at }) => at);

  it('is told from a time on, also where the clock was set back', async () => {
    await write([10, 'ann'], [40, 'ann'], [41, 'bob'], [20, 'ann'], [30, 'bob'], [42, 'ann']);
    expect(await timesOf({ since: 30 })).to.deep.equal([42, 30, 41, 40]);
    expect(await timesOf({ since: 30, actor: 'bob' })).to.deep.equal([30, 41]);
    expect(await timesOf({ since: 43 })).to.deep.equal([]);
    const { nextCursor } = await list({ since: 30, limit: 2 });
    expect(await timesOf({ since: 30, cursor: nextCursor ?? '' })).to.deep.equal([41, 40]);
  });

  it('is told from a time on that has more records than are looked at for the first', async () => {
    await write(...Array.from({ length: 10_001 }, (_, n) => [n, 'ann'] as const));
    expect(await timesOf({ since: 0, limit: 2 })).to.deep.equal([10_000, 9_999]);
  });

  it('is read by an index, whatever is asked of it', async () => {
    await write([10, 'ann'], [11, 'ann']);
    const { nextCursor } = await list({ limit: 1 });
    const plans = await explained.plansOf(async () => {
      for (const query of [{ actor: 'ann' }, { subject: 'web-1' }, { since: 10 }, { actor: 'ann', since: 10 }])
        for (const page of [{}, { cursor: nextCursor ?? '' }]) await list({ ...query, ...page });
    });
    expect(plans).to.include('SEARCH audit USING INDEX audit_by_actor (actor=?)');
    expect(plans).to.include('SEARCH audit USING COVERING INDEX audit_by_time (at>?)');
    expect(plans.filter((plan) => /^SCAN audit|TEMP B-TREE/.test(plan))).to.deep.equal([]);
  });
});

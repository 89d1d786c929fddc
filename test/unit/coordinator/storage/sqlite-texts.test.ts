import { expect } from 'chai';
import { sql } from 'kysely';
import type { Database } from '../../../../coordinator/storage/database.ts';
import { openSqlite } from '../../../../coordinator/storage/sqlite.ts';
import { INDEXED_BY_VALUE } from '../../../../coordinator/storage/sqlite-texts.ts';

describe('texts for SQLite', () => {
  let database: Database;

  before(async () => {
    database = openSqlite(':memory:');
    await database.migrate();
  });

  after(() => database.close());

  it('have in them what partial indexes and limits turn on, and bind all else', () => {
    const { sql: text, parameters } = database.query
      .selectFrom('targets as t')
      .innerJoin('deployments as d', (join) => join.onRef('d.id', '=', 't.deployment_id').on('d.is_active', '=', 1))
      .select('t.id')
      .where('t.host_id', '=', 'h-1')
      .where('t.status', '<>', `it's`)
      .where('t.position', '=', 1)
      .limit(7)
      .offset(8)
      .compile();
    expect(text).to.equal(
      'select "t"."id" from "targets" as "t" inner join "deployments" as "d" on "d"."id" = "t"."deployment_id" and "d"."is_active" = 1' +
        ` where "t"."host_id" = ? and "t"."status" <> 'it''s' and "t"."position" = ? limit 7 offset ?`,
    );
    expect(parameters).to.deep.equal(['h-1', 1, 8]);
  });

  it('bind what such a column is set to', () => {
    const { sql: text } = database.query
      .updateTable('hosts')
      .set({ presence: 'Offline' })
      .where('presence', '=', 'Online')
      .compile();
    expect(text).to.equal(`update "hosts" set "presence" = ? where "presence" = 'Online'`);
  });

  it('know every column that a partial index compares with a value', async () => {
    const indexes = await sql<{
      text: string;
    }>`SELECT sql AS text FROM sqlite_master WHERE sql LIKE '%INDEX%WHERE%'`.execute(database.query);
    const columns = indexes.rows.flatMap(({ text }) =>
      [...text.slice(text.indexOf('WHERE')).matchAll(/(\w+) (?:=|<>) /g)].map((match) => match[1]),
    );
    expect([...new Set(columns)].sort()).to.deep.equal([...INDEXED_BY_VALUE].sort());
  });
});

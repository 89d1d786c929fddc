import { expect } from 'chai';
import { sql } from 'kysely';
import { toAppError } from '../../../../coordinator/http/errors.ts';
import type { Database } from '../../../../coordinator/storage/database.ts';
import { openSqlite } from '../../../../coordinator/storage/sqlite.ts';

describe('a database that cannot grow', () => {
  let database: Database;
  beforeEach(async () => {
    database = openSqlite(':memory:');
    await database.migrate();
    const { rows } = await sql<{ page_count: number }>`PRAGMA page_count`.execute(database.query);
    await sql.raw(`PRAGMA max_page_count = ${(rows[0]?.page_count ?? 0) + 2}`).execute(database.query);
  });
  afterEach(() => database.close());

  const write = (name: string, bytes: number) =>
    database.transaction((tx) =>
      tx.executeMany('INSERT INTO applications (id, name, description, created_at) VALUES (?, ?, ?, 0)', [
        [`${name}-1`, `${name}-1`, 'x'.repeat(10)],
        [`${name}-2`, `${name}-2`, 'x'.repeat(bytes)],
      ]),
    );

  it('is told as that, and nothing of the transaction is kept', async () => {
    const error: unknown = await write('a', 100_000).then(
      () => null,
      (thrown) => thrown,
    );
    expect(error).to.have.property('code', 'SQLITE_FULL');
    expect(toAppError(error)).to.include({ code: 'unavailable' });
    expect(toAppError(error).hint).to.contain('is full');
    expect(await database.query.selectFrom('applications').select('id').execute()).to.deep.equal([]);
  });

  it('goes on when there is room again', async () => {
    await write('a', 100_000).catch(() => undefined);
    await sql`PRAGMA max_page_count = 1000000`.execute(database.query);
    await write('b', 100_000);
    const rows = await database.query.selectFrom('applications').select('id').execute();
    expect(rows.map(({ id }) => id)).to.deep.equal(['b-1', 'b-2']);
  });
});

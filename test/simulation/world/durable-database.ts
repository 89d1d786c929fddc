import BetterSqlite3 from 'better-sqlite3';
import { databaseOn, type SqliteConnection } from '../../../coordinator/storage/sqlite.ts';
import { once } from '../../../shared/core/once.ts';
import type { SimulatedProcess } from './process.ts';

/** Called around every statement; may end the process. */
export type StatementFailpoint = (when: 'before' | 'after', statement: string) => void;

/**
 * The coordinator's database file: what was committed is there for the next coordinator, whatever became of the last one.
 * Held in memory, and changed by nothing but the production code's own statements.
 */
export interface DurableDatabase {
  /** For looking on: sees what is committed, since it is asked between steps only. */
  readonly look: BetterSqlite3.Database;
  /** How many transactions and single writes were committed. */
  readonly commits: number;
  /** Called at each of them, before anybody goes on. */
  committed: () => void;
  /** One process's connection. When the process ends, its transaction is rolled back and nothing more is answered. */
  connectionFor(process: SimulatedProcess, failpoint: StatementFailpoint): SqliteConnection;
  /** What the file system and SQLite do after the end of a process. */
  recover(): void;
  close(): void;
}

/** Made once for each process: opening a copy is four times as quick as all migrations. */
const emptyDatabase = once(async () => {
  const sqlite = new BetterSqlite3(':memory:');
  await databaseOn(sqlite).migrate();
  const image = sqlite.serialize();
  sqlite.close();
  return image;
});

export async function openDurableDatabase(): Promise<DurableDatabase> {
  const sqlite = new BetterSqlite3(await emptyDatabase());
  prepareOnce(sqlite);
  let commits = 0;

  const durable: DurableDatabase = {
    look: sqlite,
    committed() {},
    get commits() {
      return commits;
    },
    recover() {
      if (sqlite.inTransaction) sqlite.exec('ROLLBACK');
    },
    close: () => sqlite.close(),
    connectionFor(process, failpoint) {
      const perform = <Result>(text: string, isWrite: boolean, work: () => Result): Result => {
        if (!process.isAlive) process.end('');
        failpoint('before', text);
        const result = work();
        if (isWrite && !sqlite.inTransaction) {
          commits++;
          durable.committed();
        }
        failpoint('after', text);
        return result;
      };
      // The methods that the adapter and Kysely use; a statement is the same object, with a guard before each use.
      const guarded = (statement: BetterSqlite3.Statement<unknown[]>, text: string) => ({
        reader: statement.reader,
        all: (...values: unknown[]) => perform(text, !statement.readonly, () => statement.all(...values)),
        get: (...values: unknown[]) => perform(text, !statement.readonly, () => statement.get(...values)),
        run: (...values: unknown[]) => perform(text, true, () => statement.run(...values)),
        iterate: (...values: unknown[]) => perform(text, false, () => statement.iterate(...values)),
      });
      return {
        prepare: (text: string) => guarded(sqlite.prepare<unknown[]>(text), text),
        exec: (text: string) => sqlite.exec(text),
        pragma: (text: string) => sqlite.pragma(text),
        transaction: sqlite.transaction.bind(sqlite),
        get inTransaction() {
          return sqlite.inTransaction;
        },
        close: () => sqlite,
        // What is left out of the driver's own type is not used by the adapter.
      } as unknown as SqliteConnection;
    },
  };
  return durable;
}

/**
 * Each text is prepared once for all processes that come and go, and for whoever looks on: some are asked for after every
 * step. Nothing sets a statement's mode, so sharing one is the same as having one's own.
 */
function prepareOnce(sqlite: BetterSqlite3.Database): void {
  const prepared = new Map<string, BetterSqlite3.Statement<unknown[]>>();
  const prepare = sqlite.prepare.bind(sqlite);
  const known = (text: string) => {
    const statement = prepared.get(text) ?? prepare<unknown[]>(text);
    prepared.set(text, statement);
    return statement;
  };
  // The types of values and rows are the caller's word, as they are with the driver itself.
  sqlite.prepare = known as BetterSqlite3.Database['prepare'];
}

import BetterSqlite3 from 'better-sqlite3';
import type { Database } from '../../coordinator/storage/database.ts';
import { databaseOn } from '../../coordinator/storage/sqlite.ts';

export interface ExplainedDatabase {
  database: Database;
  /** What the statements of `work` did, as `SEARCH table USING INDEX …`, or `SCAN table` where they read all of it; tables by the names that they give them. */
  plansOf(work: () => Promise<unknown>): Promise<string[]>;
}

/** In memory, and tells by which way SQLite came to what it was asked for: a time would tell of the machine. */
export async function openExplainedDatabase(): Promise<ExplainedDatabase> {
  const sqlite = new BetterSqlite3(':memory:');
  const texts = new Set<string>();
  const database = databaseOn({
    // Overloaded by what is bound, which is not looked at here.
    prepare: ((text: string) => {
      const statement = sqlite.prepare(text);
      const { all, run } = statement;
      // Prepared once, it runs again and again.
      return Object.assign(statement, {
        all: (...values: unknown[]) => all.apply(note(text, statement), values),
        run: (...values: unknown[]) => run.apply(note(text, statement), values),
      });
    }) as BetterSqlite3.Database['prepare'],
    exec: (text) => sqlite.exec(text),
    pragma: (text, options) => sqlite.pragma(text, options),
    transaction: (work) => sqlite.transaction(work),
    get inTransaction() {
      return sqlite.inTransaction;
    },
    close: () => sqlite.close(),
  });
  await database.migrate();
  return {
    database,
    async plansOf(work) {
      texts.clear();
      await work();
      return [...new Set([...texts].flatMap(planOf))].sort();
    },
  };

  function note<Statement>(text: string, statement: Statement): Statement {
    texts.add(text);
    return statement;
  }

  function planOf(text: string): string[] {
    if (!/^(?:select|insert|update|delete|with)\b/i.test(text)) return [];
    const bound = text.split('?').slice(1);
    const plan = sqlite.prepare(`EXPLAIN QUERY PLAN ${text}`).all(...bound.map(() => null)) as { detail: string }[];
    return plan.map(({ detail }) => detail);
  }
}

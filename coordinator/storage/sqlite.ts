import BetterSqlite3 from 'better-sqlite3';
import {
  type DatabaseConnection,
  Kysely,
  SqliteDialect,
  type SqliteDialectConfig,
  SqliteDriver,
  type Transaction,
} from 'kysely';
import { AppError } from '../../shared/core/errors.ts';
import type { Database, DatabaseTransaction, SqlValue } from './database.ts';
import { mainJob } from './migrations/0001-main-job.ts';
import { accessKeys } from './migrations/0002-access-keys.ts';
import { awsApi } from './migrations/0003-aws-api.ts';
import { hostCommands } from './migrations/0004-host-commands.ts';
import { lateEnds } from './migrations/0005-late-ends.ts';
import { agentUpdates } from './migrations/0006-agent-updates.ts';
import { triggerMessages } from './migrations/0007-trigger-messages.ts';
import { transientUnits } from './migrations/0008-transient-units.ts';
import { forgottenHosts } from './migrations/0009-forgotten-hosts.ts';
import { lateEndTold } from './migrations/0010-late-end-told.ts';
import { leftGroupHosts } from './migrations/0011-left-group-hosts.ts';
import { retention } from './migrations/0012-retention.ts';
import { SqliteTexts } from './sqlite-texts.ts';
import type { Tables } from './tables.ts';

const MIGRATIONS = [
  mainJob,
  accessKeys,
  awsApi,
  hostCommands,
  lateEnds,
  agentUpdates,
  triggerMessages,
  transientUnits,
  forgottenHosts,
  lateEndTold,
  leftGroupHosts,
  retention,
];
/** Texts of statements are made by code, of which there are some hundred; lists of values make more, so there is a bound. */
const MAX_PREPARED = 512;

/** What is used of a connection: a simulation stands between, and ends a coordinator at any of its statements. */
export type SqliteConnection = Pick<
  BetterSqlite3.Database,
  'prepare' | 'exec' | 'pragma' | 'transaction' | 'inTransaction' | 'close'
>;

/**
 * SQLite in one file (or `:memory:`), WAL and synchronous=FULL: what was committed survives a power cut, and group commit
 * makes that cheap. Kysely's driver gives its single connection to one transaction at a time, which is the queue that the
 * port promises.
 * @throws AppError `unavailable` when the file cannot be opened
 */
export function openSqlite(path: string): Database {
  return databaseOn(openFile(path));
}

/** The same over a connection that is open. */
export function databaseOn(sqlite: SqliteConnection): Database {
  sqlite.pragma('journal_mode = WAL');
  sqlite.pragma('synchronous = FULL');
  sqlite.pragma('foreign_keys = ON');
  sqlite.pragma('busy_timeout = 5000');
  // 32 MiB, not the usual 4: a fleet's reports change the same pages again and again, and each checkpoint writes them home.
  sqlite.pragma('wal_autocheckpoint = 8000');
  sqlite.pragma('cache_size = -16384');
  const prepare = preparing(sqlite);
  // Kysely's driver prepares every time, which costs more than most statements take.
  const config = { database: { prepare, close: () => sqlite.close() } };
  const dialect = new SqliteDialect(config);
  dialect.createDriver = () => new UndoingDriver(config, () => sqlite.inTransaction);
  dialect.createQueryCompiler = () => new SqliteTexts();
  const query = new Kysely<Tables>({ dialect });

  const inside = (tx: Transaction<Tables>): DatabaseTransaction => ({
    query: tx,
    async executeMany(statement, rows) {
      const run = prepare(statement);
      let changes = 0;
      for (const row of rows) changes += run.run(...(row as SqlValue[])).changes;
      return changes;
    },
    // The row type is the caller's word about its own statement.
    selectRaw: async <Row>(statement: string, values: readonly SqlValue[]) =>
      prepare(statement).all(...(values as SqlValue[])) as Row[],
  });

  return {
    query,
    transaction: (work) => query.transaction().execute((tx) => work(inside(tx))),
    async migrate() {
      sqlite.exec('CREATE TABLE IF NOT EXISTS migrations (name TEXT PRIMARY KEY)');
      const done = new Set(
        (sqlite.prepare('SELECT name FROM migrations').all() as { name: string }[]).map((r) => r.name),
      );
      const known = new Set<string>(MIGRATIONS.map((migration) => migration.name));
      for (const name of done)
        if (!known.has(name))
          throw new AppError('conflict', `the database has migration ${name}, which this version does not know`, {
            hint: 'It was written by a newer coordinator: start that version, or restore an older backup.',
          });
      for (const migration of MIGRATIONS) {
        if (done.has(migration.name)) continue;
        sqlite.transaction(() => {
          for (const statement of migration.statements) sqlite.exec(statement);
          sqlite.prepare('INSERT INTO migrations (name) VALUES (?)').run(migration.name);
        })();
      }
    },
    close: () => query.destroy(),
  };
}

/**
 * SQLite undoes a transaction by itself when the disk is full or fails. To undo it once more is an error then, and that would be told instead
 * of what had happened. Source: SQLite's documentation, "Transactions", on errors that may roll back.
 */
class UndoingDriver extends SqliteDriver {
  readonly #isInTransaction: () => boolean;
  constructor(config: SqliteDialectConfig, isInTransaction: () => boolean) {
    super(config);
    this.#isInTransaction = isInTransaction;
  }

  override async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    if (this.#isInTransaction()) await super.rollbackTransaction(connection);
  }
}

/** Prepares each text once; beyond the bound the one that was not wanted for longest is prepared again when it comes back. */
function preparing(
  sqlite: Pick<SqliteConnection, 'prepare'>,
): (statement: string) => BetterSqlite3.Statement<unknown[]> {
  const prepared = new Map<string, BetterSqlite3.Statement<unknown[]>>();
  return (statement) => {
    const known = prepared.get(statement);
    if (known !== undefined) {
      prepared.delete(statement);
      prepared.set(statement, known);
      return known;
    }
    const made = sqlite.prepare<unknown[]>(statement);
    prepared.set(statement, made);
    if (prepared.size > MAX_PREPARED) {
      const oldest = prepared.keys().next();
      if (!oldest.done) prepared.delete(oldest.value);
    }
    return made;
  };
}

function openFile(path: string): BetterSqlite3.Database {
  try {
    return new BetterSqlite3(path);
  } catch (cause) {
    throw new AppError('unavailable', `cannot open the database ${path}`, { cause, hint: 'Check the data directory.' });
  }
}

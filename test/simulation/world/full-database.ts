import type BetterSqlite3 from 'better-sqlite3';

/** Where it shows: at the first write, as when a journal or a large transaction finds no room, or at the end of the transaction. */
export type FullAt = 'write' | 'commit';

/** Why a coordinator ends that cannot start. */
export const DISK_IS_FULL = 'its disk is full';

/** The disk under the coordinator's database, which may have no room for a while. Reading goes on. */
export class FullDatabase {
  /** Null: there is room. */
  at: FullAt | null = null;
  /** How often it has refused. */
  refusals = 0;
  readonly #sqlite: Pick<BetterSqlite3.Database, 'inTransaction' | 'exec'>;
  #hasWritten = false;

  constructor(sqlite: Pick<BetterSqlite3.Database, 'inTransaction' | 'exec'>) {
    this.#sqlite = sqlite;
  }

  /** Call it before each statement. @throws what SQLite throws */
  before(text: string): void {
    if (text === 'begin') this.#hasWritten = false;
    const isWrite = /^\s*(?:insert|update|delete|replace)\b/i.test(text);
    const { inTransaction } = this.#sqlite;
    if (isWrite && (this.at === 'write' || !inTransaction)) this.#refuse();
    if (isWrite) this.#hasWritten = true;
    if (text === 'commit' && this.#hasWritten) this.#refuse();
  }

  #refuse(): void {
    if (this.at === null) return;
    this.refusals++;
    // By itself, before it says so.
    if (this.#sqlite.inTransaction) this.#sqlite.exec('ROLLBACK');
    throw Object.assign(new Error('database or disk is full'), { name: 'SqliteError', code: 'SQLITE_FULL' });
  }
}

export function isFull(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'SQLITE_FULL';
}

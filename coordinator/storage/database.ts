import type { Kysely, Transaction } from 'kysely';
import type { Tables } from './tables.ts';

/**
 * PORT: a database. SQL is written once with Kysely; only the drivers (`sqlite.ts`) know which engine it is. All access of
 * one process goes through one queue, so a transaction never sees another's half-done work.
 */
export interface Database {
  /** Single statements: each its own transaction. */
  readonly query: Kysely<Tables>;
  /**
   * All or nothing, durable when it resolves (a power cut afterwards loses nothing). Do not use `query` inside: it would
   * wait for this very transaction.
   */
  transaction<Result>(work: (tx: DatabaseTransaction) => Promise<Result>): Promise<Result>;
  /** Runs what migrations are missing, in order. */
  migrate(): Promise<void>;
  close(): Promise<void>;
}

export interface DatabaseTransaction {
  readonly query: Transaction<Tables>;
  /**
   * The same statement for many rows, prepared once: the report path, where a Kysely call per row would cost more than the
   * row (12-25 microseconds). `?` stands for a value. Returns the number of rows changed.
   */
  executeMany(statement: string, rows: readonly (readonly SqlValue[])[]): Promise<number>;
  /** One prepared select, for the report path. A `LIMIT` is written into its text: bound, SQLite prepares it each time anew. */
  selectRaw<Row>(statement: string, values: readonly SqlValue[]): Promise<Row[]>;
}

export type SqlValue = string | number | null | Uint8Array;
/** What a read takes: the database itself or a transaction that is under way. */
export type Queryable = Kysely<Tables> | Transaction<Tables>;

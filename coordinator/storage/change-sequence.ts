import type { Database } from './database.ts';

/**
 * Numbers the changes that watchers see. Taken inside a transaction only: the database gives its one connection to one
 * transaction at a time, so what is committed later has higher numbers, and a watcher that has read up to N misses nothing.
 * A rolled-back transaction leaves a gap, which means nothing.
 */
export interface ChangeSequence {
  next(): number;
  /** The first of `count` numbers in a row. */
  reserve(count: number): number;
  /** The highest that was taken. */
  last(): number;
}

export async function loadChangeSequence(database: Database): Promise<ChangeSequence> {
  const highest = async (table: 'deployments' | 'targets') => {
    const row = await database.query
      .selectFrom(table)
      .select((e) => e.fn.max('change_sequence').as('highest'))
      .executeTakeFirst();
    return Number(row?.highest ?? 0);
  };
  let last = Math.max(await highest('deployments'), await highest('targets'));
  const reserve = (count: number) => {
    const first = last + 1;
    last += count;
    return first;
  };
  return { next: () => reserve(1), reserve, last: () => last };
}

import * as z from 'zod';
import { AppError } from '../../shared/core/errors.ts';

/** The values of the last row of a page, by which the next one begins: opaque to callers, so that it may change. */
export type CursorValue = string | number;

export function encodeCursor(values: readonly CursorValue[]): string {
  return Buffer.from(JSON.stringify(values), 'utf8').toString('base64url');
}

/**
 * @returns null when there is no cursor: the first page
 * @throws AppError `invalid` when it did not come from a page of this list
 */
export function decodeCursor<Values>(schema: z.ZodType<Values>, cursor: string | undefined): Values | null {
  if (cursor === undefined) return null;
  const parsed = schema.safeParse(parseJson(Buffer.from(cursor, 'base64url').toString('utf8')));
  if (parsed.success) return parsed.data;
  throw new AppError('invalid', 'query.cursor: not the cursor of a page of this list', {
    hint: 'Give back nextCursor of the page before, unchanged.',
  });
}

export const nameCursor = z.tuple([z.string()]);

/** Cuts rows that were asked for with one more than the limit, and tells where the next page begins. */
export function toPage<Row, Item>(
  rows: readonly Row[],
  limit: number,
  toItem: (row: Row) => Item,
  cursorOf: (row: Row) => readonly CursorValue[],
): { items: Item[]; nextCursor: string | null } {
  const kept = rows.slice(0, limit);
  const last = kept.at(-1);
  return {
    items: kept.map(toItem),
    nextCursor: rows.length > limit && last !== undefined ? encodeCursor(cursorOf(last)) : null,
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Not JSON: the schema refuses undefined, and the caller says what is wrong.
    return undefined;
  }
}

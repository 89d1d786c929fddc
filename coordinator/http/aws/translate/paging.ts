import * as z from 'zod';
import { decodeCursor, encodeCursor } from '../../../domain/cursor.ts';
import { refusedAs } from '../exceptions.ts';

/** Items of a page: CodeDeploy's requests do not say how many they want. */
export const PAGE_ITEMS = 100;
const place = z.tuple([z.number().int().nonnegative()]);

/** What a service's list throws for a cursor that is none of its own, by CodeDeploy's name. */
export function paged<Page>(list: () => Promise<Page>): Promise<Page> {
  return refusedAs('InvalidNextTokenException', list);
}

/** A page of what is there as a whole; the token is a place in it. */
export function pageOf<Item>(
  items: readonly Item[],
  nextToken: string | undefined,
): Promise<{ items: Item[]; nextToken: string | undefined }> {
  return paged(async () => {
    const from = decodeCursor(place, nextToken)?.[0] ?? 0;
    const to = from + PAGE_ITEMS;
    return { items: items.slice(from, to), nextToken: to < items.length ? encodeCursor([to]) : undefined };
  });
}

import { expect } from 'chai';
import * as z from 'zod';
import { decodeCursor, encodeCursor, nameCursor, toPage } from '../../../../coordinator/domain/cursor.ts';
import { isAppError } from '../../../../shared/core/errors.ts';

describe('cursors', () => {
  it('come back as they were given', () => {
    const schema = z.tuple([z.number(), z.string()]);
    expect(decodeCursor(schema, encodeCursor([7, 'ünï/cödé']))).to.deep.equal([7, 'ünï/cödé']);
    expect(decodeCursor(schema, undefined)).to.equal(null);
  });

  it('of another list, or made up, are refused as invalid', () => {
    for (const cursor of [encodeCursor([1]), 'x', '', '%%%']) {
      let thrown: unknown;
      try {
        decodeCursor(nameCursor, cursor);
      } catch (error) {
        thrown = error;
      }
      expect(isAppError(thrown, 'invalid'), cursor).to.equal(true);
    }
  });

  it('are given with a page only when more follows', () => {
    const page = (rows: string[]) =>
      toPage(
        rows,
        2,
        (row) => row.toUpperCase(),
        (row) => [row],
      );
    expect(page(['a', 'b'])).to.deep.equal({ items: ['A', 'B'], nextCursor: null });
    expect(page(['a', 'b', 'c'])).to.deep.equal({ items: ['A', 'B'], nextCursor: encodeCursor(['b']) });
    expect(page([])).to.deep.equal({ items: [], nextCursor: null });
  });
});

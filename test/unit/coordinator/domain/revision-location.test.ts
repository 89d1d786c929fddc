import { expect } from 'chai';
import fc from 'fast-check';
import {
  fitsLocation,
  type RevisionLocation,
  rangeOfFitting,
  storedLocation,
} from '../../../../coordinator/domain/revision-location.ts';

/** Few of each, so that two of them often name the same place. */
const some = (...values: string[]) => fc.constantFrom(...values);
const said = fc.option(some('1', '1"', '2#'), { nil: null });
const location: fc.Arbitrary<RevisionLocation> = fc.oneof(
  fc.record({
    kind: fc.constant('s3' as const),
    bucket: some('one', 'one-more'),
    key: some('a', 'a"', 'a","version":null', 'å/ü\u{1f600}', 'a#'),
    bundleType: fc.constantFrom('tgz' as const, 'tar' as const),
    version: said,
    etag: said,
  }),
  fc.record({
    kind: fc.constant('github' as const),
    repository: some('acme/shop', 'acme/shop2'),
    commitId: some('0'.repeat(40), 'f'.repeat(40)),
  }),
);

describe('places of revisions', () => {
  it('that fit what is asked for lie in the range of texts that is looked at, and the range has no other place', () => {
    let fitting = 0;
    fc.assert(
      fc.property(location, location, (asked, stored) => {
        const [from, to] = rangeOfFitting(asked);
        // In the order of bytes, as SQLite has it.
        const isBetween =
          Buffer.compare(Buffer.from(from), Buffer.from(storedLocation(stored))) <= 0 &&
          Buffer.compare(Buffer.from(storedLocation(stored)), Buffer.from(to)) <= 0;
        const atTheSamePlace = { ...stored, ...(stored.kind === 's3' ? { version: null, etag: null } : {}) };
        if (fitsLocation(asked, stored)) {
          fitting++;
          expect(isBetween).to.equal(true);
        }
        expect(isBetween).to.equal(fitsLocation(asked, atTheSamePlace as RevisionLocation));
      }),
      { numRuns: 3_000 },
    );
    expect(fitting).to.be.greaterThan(50);
  });
});

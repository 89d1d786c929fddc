import { expect } from 'chai';
import { documentOf } from '../../../../coordinator/cli/output.ts';
import { T0 } from '../../../support/api-samples.ts';

describe('documentOf', () => {
  it('carries the version of its shape, and instants as UTC in ISO 8601', () => {
    const document = documentOf({
      items: [{ createdAt: T0, completedAt: null, presenceSince: T0, sizeBytes: 5, durationMs: 7 }],
      at: T0,
    });
    expect(document).to.deep.equal({
      v: 1,
      items: [
        {
          createdAt: '2026-03-04T14:02:00.000Z',
          completedAt: null,
          presenceSince: '2026-03-04T14:02:00.000Z',
          sizeBytes: 5,
          durationMs: 7,
        },
      ],
      at: '2026-03-04T14:02:00.000Z',
    });
  });
});

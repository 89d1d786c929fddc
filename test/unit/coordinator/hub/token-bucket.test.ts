import { expect } from 'chai';
import { TokenBucket } from '../../../../coordinator/hub/token-bucket.ts';

describe('TokenBucket', () => {
  const rate = { perSecond: 10, burst: 20 };

  it('allows a burst, then the rate', () => {
    const bucket = new TokenBucket(rate.burst, 0);
    const takenAtOnce = Array.from({ length: 30 }, () => bucket.take(rate, 0)).filter(Boolean).length;
    expect(takenAtOnce).to.equal(19);
    expect(bucket.take(rate, 100)).to.equal(false);
    expect(bucket.take(rate, 300)).to.equal(true);
  });

  it('has recovered once a quarter of the burst is there', () => {
    const bucket = new TokenBucket(rate.burst, 0);
    for (let i = 0; i < 30; i++) bucket.take(rate, 0);
    expect(bucket.hasRecovered(rate, 400)).to.equal(false);
    expect(bucket.hasRecovered(rate, 500)).to.equal(true);
  });

  it('does not lose tokens when the clock is set back', () => {
    const bucket = new TokenBucket(rate.burst, 1_000);
    expect(bucket.take(rate, 0)).to.equal(true);
  });
});

import { expect } from 'chai';
import { claimStateDirectory, isStateDirectoryClaimed } from '../../../../agent/host/single-instance.ts';

describe('the claim of a state directory', () => {
  it('is one, however the directory is written', async () => {
    const directory = `/nowhere/drover-${process.pid}`;
    expect(await isStateDirectoryClaimed(directory)).to.equal(false);
    await claimStateDirectory(directory);
    expect(await isStateDirectoryClaimed(`${directory}/`)).to.equal(true);
    let refusal: unknown = null;
    await claimStateDirectory(`/nowhere/../nowhere//drover-${process.pid}/`).catch((error: unknown) => {
      refusal = error;
    });
    expect(refusal).to.include({ code: 'conflict' });
  });
});

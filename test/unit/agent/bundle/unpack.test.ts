import { expect } from 'chai';
import { unpackInto } from '../../../../agent/bundle/unpack.ts';
import { makeBundle } from '../../../simulation/world/bundle.ts';
import { chanceOf } from '../../../simulation/world/chance.ts';
import { createSimulatedDisk } from '../../../simulation/world/disk.ts';
import { FileSystem } from '../../../simulation/world/file-system.ts';
import { createProcess } from '../../../simulation/world/process.ts';

describe('unpackInto', () => {
  it('leaves an archive that survives a power cut, since the journal will say that it is there', async () => {
    const files = new FileSystem(() => 0);
    const disk = createSimulatedDisk({
      files,
      process: createProcess(() => {}),
      failpoint: () => null,
      syncDelay: () => null,
    });
    const { bytes } = makeBundle({ application: 'app', label: '1', scriptsPerEvent: 1, assets: 0 });
    await disk.makeDirectory('/state/d-1', { recursive: true });
    await disk.writeFileDurably('/state/archive', bytes, 0o600);
    await disk.sync('/state');

    const unpacked = await unpackInto(disk, {
      archivePath: '/state/archive',
      bundleType: 'tar',
      directory: '/state/d-1/deployment-archive',
      limits: { maxTotalBytes: 1_000_000, maxEntries: 100 },
    });
    const before = files.read('/state/d-1/deployment-archive/appspec.yml');
    const lost = files.cutPower(chanceOf(1, 'power'));

    expect(unpacked).to.deep.include({ ok: true });
    expect(lost).to.deep.equal({ lostNames: 0, lostBytes: 0 });
    expect(files.read('/state/d-1/deployment-archive/appspec.yml')).to.deep.equal(before);
  });
});

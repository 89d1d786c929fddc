import { expect } from 'chai';
import { loadAppSpec } from '../../../../agent/deployment/app-spec-file.ts';
import { createNodeDisk } from '../../../../agent/host/node-disk.ts';
import { systemError } from '../../../support/faulty-disk.ts';

describe('loadAppSpec', () => {
  it('tells of a disk that cannot even say whether the file is there, as of one that cannot read it', async () => {
    const fails = () => Promise.reject(systemError('EIO'));
    const options = { wanted: 'appspec.yml', lifecycleEvents: 'any' } as const;
    const loaded = await loadAppSpec({ ...createNodeDisk(), status: fails }, '/srv/archive', options);
    expect(loaded)
      .to.include({ ok: false })
      .and.to.have.property('message')
      .that.matches(/^read \/srv\/archive.*EIO/);
  });
});

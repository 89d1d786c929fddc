import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { createNodeDisk } from '../../agent/host/node-disk.ts';
import { temporaryDirectory, writeTree } from '../support/tree.ts';

describe('the disk of a real host', () => {
  const disk = createNodeDisk();
  let directory: string;
  let remove: () => void;
  beforeEach(() => {
    ({ path: directory, remove } = temporaryDirectory());
  });
  afterEach(() => remove());

  it('cuts a file and gives back its last bytes, but none that stay', async () => {
    const path = join(directory, 'log');
    writeFileSync(path, '0123456789');
    expect((await disk.cut(path, { length: 4, endBytes: 3 })).toString()).to.equal('789');
    expect(readFileSync(path, 'utf8')).to.equal('0123');
    writeFileSync(path, '0123456789');
    expect((await disk.cut(path, { length: 8, endBytes: 5 })).toString()).to.equal('89');
    expect((await disk.cut(path, { length: 20, endBytes: 5 })).toString()).to.equal('');
    expect(readFileSync(path, 'utf8')).to.equal('01234567');
  });

  for (const count of [3, 100])
    it(`syncs a tree of ${count} files, links and empty directories among them`, async () => {
      const files = Array.from({ length: count }, (_, i) => [`some/d${i % 7}/f${i}`, `${i}`]);
      writeTree(directory, Object.fromEntries(files));
      await disk.makeDirectory(join(directory, 'empty'), { recursive: false });
      await disk.createSymlink('nowhere', join(directory, 'link'));
      await disk.syncTree(directory);
      expect(readFileSync(join(directory, 'some/d0/f0'), 'utf8')).to.equal('0');
      await disk.syncTree(join(directory, 'none')).then(
        () => expect.fail('it does not exist'),
        (error) => expect(error.code).to.equal('ENOENT'),
      );
    });
});

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';

describe('a package that is purged', () => {
  let directory: string;
  before(function () {
    // A mount of one's own.
    if (spawnSync('unshare', ['--mount', 'true']).status !== 0) this.skip();
  });
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'drover-purge-'));
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  for (const [part, state] of [
    ['agent', '/var/lib/drover-agent'],
    ['coordinator', '/var/lib/drover'],
  ] as const)
    it(`empties the directory of the ${part} also where that is a file system of its own`, () => {
      const script = readFileSync(join(import.meta.dirname, `../../systemd/debian/${part}.postrm`), 'utf8')
        .replaceAll(state, `${directory}/state`)
        .replaceAll('/etc/', `${directory}/etc/`)
        .replaceAll('/run/systemd/system', `${directory}/no-systemd`);
      const commands = `mkdir -p "$1/state" "$1/etc/drover" && mount -t tmpfs tmpfs "$1/state" && mkdir "$1/state/revisions"
        sh -c "$2" postrm purge || exit 1
        ls -A "$1/state"; ls "$1/etc"`;
      const ran = spawnSync('unshare', ['--mount', 'sh', '-c', commands, 'sh', directory, script], {
        encoding: 'utf8',
      });
      expect(ran.status, ran.stderr).to.equal(0);
      expect(ran.stdout).to.equal('');
    });
});

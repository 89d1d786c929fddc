import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';

const SCRIPT = readFileSync(new URL('../../systemd/agent-update/updater.sh', import.meta.url), 'utf8');
const LOCKED = 'dpkg: error: dpkg frontend lock was locked by another process with pid 4711';

describe('what an agent update finds on a host', () => {
  const kindWhere = (status: string) => {
    const directory = mkdtempSync(join(tmpdir(), 'drover-place-'));
    try {
      copyFileSync(new URL('../../systemd/agent-update/place.sh', import.meta.url), join(directory, 'place.sh'));
      writeFileSync(join(directory, 'VERSION'), '0.2.0\n');
      writeFileSync(join(directory, 'dpkg-query'), `#!/bin/sh\nprintf '${status}'\n`, { mode: 0o755 });
      const { stdout } = spawnSync('sh', ['-c', '. ./place.sh; echo $kind $package'], {
        cwd: directory,
        encoding: 'utf8',
        env: { PATH: `${directory}:${process.env.PATH}` },
      });
      return stdout.trim();
    } finally {
      rmSync(directory, { recursive: true });
    }
  };

  it('is a package only while dpkg has it installed: of one that was removed nothing could be kept', () => {
    expect(kindWhere('ii ')).to.match(/^deb packages\/drover-agent_0\.2\.0_\w+\.deb$/);
    expect(kindWhere('iF '), 'half configured').to.match(/^deb /);
    expect(kindWhere('rc ')).to.match(/^archive packages\/drover-agent_0\.2\.0_\w+\.tar\.gz$/);
    expect(kindWhere('')).to.match(/^archive /);
  });
});

/** The real script, with tools that only write down how they were called; whole hosts are in test/e2e/agent-updates. */
describe('the updater of an agent', () => {
  let directory: string;
  let work: string;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'drover-updater-'));
    work = join(directory, 'agent', 'update');
    mkdirSync(join(directory, 'tools'));
    mkdirSync(join(directory, 'units'));
    mkdirSync(work, { recursive: true });
    writeFileSync(join(work, 'updater.sh'), SCRIPT.replaceAll('/etc/systemd/system', join(directory, 'units')));
    writeFileSync(
      join(work, 'job'),
      `kind=deb\npackage='${work}/new.deb'\nversion=0.2.0\nprevious=0.1.0\nhealthy_within_seconds=30\n`,
    );
    writeFileSync(join(work, 'new.deb'), 'the new one');
    tool('dpkg-query', 'case $* in *listfiles*) echo /usr/bin/env ;; esac');
    tool('dpkg-deb', 'for last; do :; done; echo kept > "$last"');
    tool('systemctl', 'case $* in *MainPID*) echo 17 ;; is-active*) echo active ;; esac');
    for (const name of ['sleep', 'sync', 'journalctl']) tool(name, ':');
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  function tool(name: string, body: string): void {
    const path = join(directory, 'tools', name);
    writeFileSync(path, `#!/bin/sh\n${body}\n`);
    chmodSync(path, 0o755);
  }

  /** A dpkg that is locked so many times, and installs whatever it is given then. */
  function lockedTimes(count: number): void {
    tool(
      'dpkg',
      `echo "$*" >> ${directory}/calls
if [ "$(wc -l < ${directory}/calls)" -le ${count} ]; then echo '${LOCKED}' >&2; exit 2; fi
case $* in *new.deb) installed=0.2.0 ;; *) installed=0.1.0 ;; esac
echo '{"pid":17,"version":"'$installed'","connection":{"state":"connected"}}' > ${directory}/agent/status.json`,
    );
  }

  function update(): string {
    const { status, stderr } = spawnSync('sh', [join(work, 'updater.sh')], {
      encoding: 'utf8',
      env: { PATH: `${directory}/tools:${process.env.PATH}` },
    });
    expect(status, stderr).to.equal(0);
    return readFileSync(join(work, 'verdict'), 'utf8').trim();
  }
  /** Ends without a word at the call of a tool, as when the power goes. */
  function updateUntil(name: string, argument: string): void {
    const before = readFileSync(join(directory, 'tools', name), 'utf8');
    tool(name, `case $* in *${argument}*) kill -KILL $PPID ;; esac`);
    const { signal } = spawnSync('sh', [join(work, 'updater.sh')], {
      env: { PATH: `${directory}/tools:${process.env.PATH}` },
    });
    expect(signal).to.equal('SIGKILL');
    writeFileSync(join(directory, 'tools', name), before);
  }
  const log = () => readFileSync(join(work, 'log'), 'utf8');
  const calls = () => readFileSync(join(directory, 'calls'), 'utf8').trim().split('\n');

  it('keeps the version before until its verdict is on the disk', () => {
    lockedTimes(0);
    updateUntil('sync', 'verdict.part');
    expect(existsSync(join(work, 'kept.deb'))).to.equal(true);
    expect(update()).to.equal('updated');
    expect(existsSync(join(work, 'kept.deb')), 'what is not needed any more').to.equal(false);
  });

  it('has what it unpacks from an archive on the disk before it counts as installed', () => {
    const job = readFileSync(join(work, 'job'), 'utf8');
    writeFileSync(join(work, 'job'), job.replace('kind=deb', 'kind=archive'));
    const connected = `{"pid":17,"version":"0.2.0","connection":{"state":"connected"}}`;
    tool(
      'tar',
      `case $1 in
-cf) echo kept > "$2" ;;
*) echo unpacked >> ${directory}/calls; echo '${connected}' > ${directory}/agent/status.json ;;
esac`,
    );
    tool('sync', `echo "sync $*" >> ${directory}/calls`);
    tool('systemd-tmpfiles', ':');
    expect(update()).to.equal('updated');
    const all = calls();
    const next = all.slice(all.indexOf('unpacked') + 1);
    expect(next[0]).to.equal('sync -f /usr');
    expect(next[1]).to.match(/phase\.part$/);
  });

  it('waits for another dpkg that is at work', () => {
    lockedTimes(20);
    expect(update()).to.equal('updated');
    expect(calls()).to.have.length(21);
  });

  it('changes nothing, and says so, when another dpkg takes too long', () => {
    lockedTimes(1_000_000);
    expect(update()).to.equal('unchanged');
    expect(calls().filter((call) => !call.endsWith('/new.deb'))).to.deep.equal([]);
    expect(log()).to.include('nothing was changed').and.to.include(LOCKED);
    expect(existsSync(join(work, 'kept.deb')), 'what is not needed any more').to.equal(false);
  });

  it('puts the old version back when it goes on after an end in the middle, for it may be half replaced', () => {
    writeFileSync(join(work, 'phase'), 'kept\n');
    writeFileSync(join(work, 'kept.deb'), 'the old one');
    lockedTimes(70);
    expect(update()).to.equal('put-back');
    expect(calls().at(-1)).to.match(/\/kept\.deb$/);
    expect(calls(), 'it is waited for longer than a new one').to.have.length(71);
  });
});

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { parse } from 'yaml';

const SCRIPT = readFileSync(new URL('../../systemd/install.sh', import.meta.url), 'utf8');

describe('install.sh', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'drover-install-'));
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  /** Calls one function of the script, with a directory of this test for /etc/drover. */
  function call(...command: string[]): void {
    const script = SCRIPT.replaceAll('/etc/drover', directory).replace(/^main "\$@"$/m, '"$@"');
    const { status, stderr } = spawnSync('sh', ['-s', '--', ...command], { input: script, encoding: 'utf8' });
    expect(status, stderr).to.equal(0);
  }

  for (const [what, before] of [
    ['a configuration whose last line has no end', 'logLevel: warn\nhooks: { environment: { STAGE: production } }'],
    ['one that is whole', 'logLevel: warn\nhooks: { environment: { STAGE: production } }\n'],
  ] as const)
    it(`adds a key to ${what}, once`, () => {
      const configuration = join(directory, 'agent.yaml');
      writeFileSync(configuration, before);
      for (let i = 0; i < 2; i++) call('set_key', 'caFile', '/etc/drover/ca.crt');
      expect(readFileSync(configuration, 'utf8')).to.equal(`${before.trimEnd()}\ncaFile: /etc/drover/ca.crt\n`);
      expect(parse(readFileSync(configuration, 'utf8'))).to.have.keys('logLevel', 'hooks', 'caFile');
    });

  it('adds a key where there is no configuration yet, and replaces the value of one that is there', () => {
    call('set_key', 'coordinatorUrl', 'https://old.example.com');
    call('set_key', 'coordinatorUrl', 'https://drover.example.com:7717');
    expect(readFileSync(join(directory, 'agent.yaml'), 'utf8')).to.equal(
      'coordinatorUrl: https://drover.example.com:7717\n',
    );
  });

  for (const [installed, offered, isInstalled] of [
    ['', '0.2.0', true],
    ['0.1.0', '0.2.0', true],
    ['0.9.0', '0.10.0', true],
    ['0.2.0~rc1', '0.2.0', true],
    ['0.2.0', '0.2.0', false],
    ['0.3.0', '0.2.0', false],
    ['0.2.0', '0.2.0~rc1', false],
  ] as const)
    it(`${isInstalled ? 'installs' : 'does not install'} ${offered} ${installed === '' ? 'where there is no agent' : `over ${installed}`}`, () => {
      // All of it but the network and the package manager.
      const script = SCRIPT.replace(
        /^main "\$@"$/m,
        `work=${directory} architecture=amd64 coordinator=https://drover.example.com
        installed_version() { echo '${installed}'; }
        fetch() { [ "$1" = SHA256SUMS ] || { : > "$work/$1"; return; }
          echo "${createHash('sha256').digest('hex')}  drover-agent_${offered}_amd64.deb" > "$work/SHA256SUMS"; }
        dpkg() { : > "$work/installed"; }
        install_agent`,
      );
      const { status, stdout, stderr } = spawnSync('sh', { input: script, encoding: 'utf8' });
      expect(status, stderr).to.equal(0);
      expect(existsSync(join(directory, 'installed')), stdout).to.equal(isInstalled);
      if (!isInstalled) expect(stdout).to.include(`drover-agent ${installed} is installed`);
    });
});

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
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
});

import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { startTestCoordinator, type TestCoordinator } from '../support/coordinator.ts';

describe('what the coordinator offers to new hosts', () => {
  let coordinator: TestCoordinator;
  let directory: string;
  const call = (path: string, headers: Record<string, string> = {}) =>
    coordinator.call('GET', path, { token: null, headers });

  before(async () => {
    directory = mkdtempSync(join(tmpdir(), 'drover-packages-'));
    coordinator = await startTestCoordinator({ packagesDirectory: join(directory, 'packages') });
  });
  after(async () => {
    await coordinator.remove();
    rmSync(directory, { recursive: true });
  });

  it('says what to do when it has no packages', async () => {
    const answer = await call('/install.sh');
    expect(answer.status).to.equal(404);
    expect(answer.body).to.have.property('hint').that.includes('packagesDirectory');
    expect((await call('/install/SHA256SUMS')).body).to.equal('');
  });

  describe('with packages', () => {
    before(async () => {
      await coordinator.remove();
      coordinator = await startTestCoordinator({ packagesDirectory: directory });
      writeFileSync(join(directory, 'install.sh'), "coordinator='@COORDINATOR_URL@'\n");
      writeFileSync(join(directory, 'drover-agent_0.10.0_amd64.deb'), 'newer');
      writeFileSync(join(directory, 'drover-agent_0.9.0_amd64.deb'), 'older');
      writeFileSync(join(directory, '.hidden'), '');
    });

    it('fills its own address, as it was asked for, into the script', async () => {
      const { host } = new URL(coordinator.url);
      expect((await call('/install.sh')).body).to.equal(`coordinator='http://${host}'\n`);
    });

    it('lists the packages with their digests, the newest last, and no other files', async () => {
      const line = (text: string, name: string) => `${createHash('sha256').update(text).digest('hex')}  ${name}\n`;
      expect((await call('/install/SHA256SUMS')).body).to.equal(
        line('older', 'drover-agent_0.9.0_amd64.deb') + line('newer', 'drover-agent_0.10.0_amd64.deb'),
      );
    });

    it('lists a release after its candidates, as an update of the fleet takes it', async () => {
      const names = ['0.11.0~rc2', '0.11.0', '0.11.0~rc10'].map((version) => `drover-agent_${version}_amd64.deb`);
      for (const name of names) writeFileSync(join(directory, name), '');
      const listed = String((await call('/install/SHA256SUMS')).body).matchAll(/drover-agent_(.*)_amd64\.deb$/gm);
      for (const name of names) rmSync(join(directory, name));
      expect([...listed].map(([, version]) => version)).to.deep.equal([
        '0.9.0',
        '0.10.0',
        '0.11.0~rc2',
        '0.11.0~rc10',
        '0.11.0',
      ]);
    });

    it('gives the digest of what a package is now', async () => {
      writeFileSync(join(directory, 'drover-agent_0.9.0_amd64.deb'), 'built again');
      const digest = createHash('sha256').update('built again').digest('hex');
      expect((await call('/install/SHA256SUMS')).body).to.include(`${digest}  drover-agent_0.9.0_amd64.deb`);
    });

    it('gives the packages, and nothing beside them', async () => {
      expect((await call('/install/drover-agent_0.10.0_amd64.deb')).body).to.equal('newer');
      for (const path of ['.hidden', '..%2f..%2fetc%2fpasswd', '%2e%2e', 'absent.deb', 'ca.crt'])
        expect((await call(`/install/${path}`)).status, path).to.equal(404);
    });
  });
});

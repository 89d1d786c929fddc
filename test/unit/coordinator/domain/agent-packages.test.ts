import { expect } from 'chai';
import {
  compareVersions,
  judgeCandidate,
  offeredVersions,
  parseAgentPackage,
  type UpdateCandidate,
} from '../../../../coordinator/domain/agent-packages.ts';

const packages = [
  'drover-agent_0.2.0_amd64.deb',
  'drover-agent_0.2.0_amd64.tar.gz',
  'drover-agent_0.10.0_amd64.deb',
].map((file) => parseAgentPackage(file) ?? expect.fail(file));

describe('packages of the agent', () => {
  it('say in their name what they are', () => {
    expect(packages[1]).to.deep.equal({
      file: 'drover-agent_0.2.0_amd64.tar.gz',
      version: '0.2.0',
      architecture: 'amd64',
      kind: 'archive',
    });
    for (const other of [
      'install.sh',
      'drover-coordinator_0.2.0_amd64.deb',
      'drover-agent_0.2.0_mips.deb',
      'drover-agent__amd64.deb',
    ])
      expect(parseAgentPackage(other), other).to.equal(null);
  });

  it('are offered with the newest version first', () => {
    expect(offeredVersions(packages)).to.deep.equal(['0.10.0', '0.2.0']);
  });
});

describe('compareVersions', () => {
  it('orders as Debian does', () => {
    const ordered = ['0.1.0~rc1', '0.1.0', '0.1.0+fix', '0.2.0', '0.10.0', '1.0.0~beta', '1.0.0'];
    for (const [i, a] of ordered.entries())
      for (const [j, b] of ordered.entries())
        expect(Math.sign(compareVersions(a, b)), `${a} ${b}`).to.equal(Math.sign(i - j));
  });
});

describe('judgeCandidate', () => {
  const aHost = (fields: Partial<UpdateCandidate> = {}): UpdateCandidate => ({
    agentKind: 'drover',
    agentVersion: '0.1.0',
    architecture: 'x64',
    agentPackage: 'deb',
    ...fields,
  });
  const judge = (fields: Partial<UpdateCandidate>, downgrade = false) =>
    judgeCandidate(aHost(fields), { version: '0.2.0', packages, downgrade });

  it('takes a host with another version for which there is a package', () => {
    expect(judge({})).to.equal('outdated');
    expect(judge({ agentPackage: 'archive' })).to.equal('outdated');
    expect(judge({ agentVersion: '0.2.0' })).to.equal('current');
  });

  it('leaves out what it cannot update, and says why', () => {
    expect(judge({ agentKind: 'codedeploy' })).to.equal('aws-agent');
    expect(judge({ agentPackage: undefined })).to.equal('not-from-package');
    expect(judge({ agentPackage: 'rpm' })).to.equal('not-from-package');
    expect(judge({ architecture: 'arm64' })).to.equal('no-package');
    expect(judge({ architecture: undefined })).to.equal('no-package');
  });

  it('sets a newer one back only when asked to', () => {
    expect(judge({ agentVersion: '0.10.0' })).to.equal('newer');
    expect(judge({ agentVersion: '0.10.0' }, true)).to.equal('outdated');
  });
});

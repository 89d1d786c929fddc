import { expect } from 'chai';
import { collectFacts, parseOsRelease } from '../../../../agent/host/facts.ts';

const PACKAGED = '/usr/lib/drover-agent/node';

describe('the facts of a host', () => {
  const collect = (program: string, files: readonly string[]) =>
    collectFacts(
      {
        readPart: async () => Buffer.from(''),
        freeBytes: async () => 1,
        status: async (path) => (files.includes(path) ? ({} as never) : null),
      },
      { stateDirectory: '/state', program },
    );

  it('say whether the agent is from a package, and of which kind', async () => {
    const known = ['/var/lib/dpkg/info/drover-agent.list'];
    expect(await collect(PACKAGED, known)).to.include({ agentPackage: 'deb' });
    expect(await collect(PACKAGED, [])).to.include({ agentPackage: 'archive' });
    // Another program on a host that has the package, too.
    expect(await collect('/usr/bin/node', known)).not.to.have.property('agentPackage');
  });

  it('have name and version of the system, quoted or not', () => {
    expect(parseOsRelease('NAME="Debian GNU/Linux"\nVERSION_ID=12\n')).to.deep.equal({
      osName: 'Debian GNU/Linux',
      osVersion: '12',
    });
    expect(parseOsRelease('')).to.deep.equal({});
  });
});

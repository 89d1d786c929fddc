import { expect } from 'chai';
import { belowInstallRoot, installRootVariable } from '../../../../agent/install/install-root.ts';
import { parseAppSpec } from '../../../../shared/appspec/parse.ts';

const parsed = parseAppSpec(`version: 0.0
os: linux
files:
  - source: /
    destination: /opt/app
permissions:
  - object: /opt/app
    mode: 644
`);
if (!parsed.ok) throw new Error('the AppSpec of this test is wrong');
const { appSpec } = parsed;

describe('belowInstallRoot', () => {
  it('puts destinations and the objects of permissions below the directory', () => {
    const below = belowInstallRoot(appSpec, '/srv/host-1');
    expect(below.files[0]?.destination).to.equal('/srv/host-1/opt/app');
    expect(below.permissions[0]?.object).to.equal('/srv/host-1/opt/app');
    expect(installRootVariable('/srv/host-1')).to.deep.equal({ DROVER_INSTALL_ROOT: '/srv/host-1' });
  });

  it('changes nothing on an ordinary host', () => {
    expect(belowInstallRoot(appSpec, '/')).to.equal(appSpec);
    expect(installRootVariable('/')).to.deep.equal({});
  });
});

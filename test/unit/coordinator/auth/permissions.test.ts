import { expect } from 'chai';
import type { Caller } from '../../../../coordinator/auth/caller.ts';
import { mayCall } from '../../../../coordinator/auth/permissions.ts';
import type { HostId } from '../../../../shared/core/ids.ts';

describe('mayCall', () => {
  const operator = (role: 'viewer' | 'deployer' | 'admin'): Caller => ({
    kind: 'operator',
    name: 'ana',
    role,
    remoteAddress: null,
  });
  const host: Caller = { kind: 'host', hostId: 'h-1' as HostId, hostName: 'web-1', remoteAddress: null };

  it('lets anybody call what is for anybody', () => {
    for (const caller of [null, host, operator('viewer')]) expect(mayCall('anybody', caller).allowed).to.equal(true);
  });

  it('lets a higher role do what a lower one may, and not the other way round', () => {
    expect(mayCall('viewer', operator('admin')).allowed).to.equal(true);
    expect(mayCall('deployer', operator('deployer')).allowed).to.equal(true);
    expect(mayCall('admin', operator('deployer'))).to.include({ allowed: false, code: 'forbidden' });
    expect(mayCall('deployer', operator('viewer'))).to.include({ allowed: false, code: 'forbidden' });
  });

  it('keeps hosts out of what is for operators, and operators out of what is for hosts', () => {
    expect(mayCall('viewer', host)).to.include({ allowed: false, code: 'forbidden' });
    expect(mayCall('host', operator('admin'))).to.include({ allowed: false, code: 'forbidden' });
    expect(mayCall('host', host).allowed).to.equal(true);
  });

  it('asks nobody we know for a token first', () => {
    expect(mayCall('viewer', null)).to.include({ allowed: false, code: 'unauthorized' });
    expect(mayCall('host', null)).to.include({ allowed: false, code: 'unauthorized' });
  });
});

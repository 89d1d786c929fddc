import { expect } from 'chai';
import { planPermissions } from '../../../../agent/install/permissions.ts';
import type { Permission } from '../../../../shared/appspec/appspec.ts';

const permission = (changes: Partial<Permission>): Permission => ({
  object: '/srv',
  pattern: '**',
  except: [],
  types: ['file', 'directory'],
  owner: null,
  group: null,
  mode: 0o640,
  acls: [],
  context: null,
  line: 3,
  ...changes,
});
const parts = {
  accounts: {
    user: async (name: string) => (name === 'bob' ? { name, uid: 7, gid: 8, home: '/', groups: [8] } : null),
    group: async (name: string) => (name === 'web' ? { gid: 9 } : null),
  },
  run: async () => ({ exitCode: 0, stdout: '', stderr: '' }),
};
const plan = (permissions: Permission[]) =>
  planPermissions(parts, {
    permissions,
    files: new Set(['/srv/a', '/srv/d/b', '/srv/x.log']),
    directories: ['/srv', '/srv/d'],
  });

describe('planPermissions', () => {
  it('106. is about copied files and made directories below the object, not about the object', async () => {
    expect([...(await plan([permission({})])).byPath.keys()]).to.deep.equal([
      '/srv/a',
      '/srv/d/b',
      '/srv/x.log',
      '/srv/d',
    ]);
    expect([...(await plan([permission({ types: ['directory'] })])).byPath.keys()]).to.deep.equal(['/srv/d']);
    expect([...(await plan([permission({ except: ['*.log'] })])).byPath.keys()]).to.not.include('/srv/x.log');
  });
  it('is about a single file when the object is one', async () => {
    expect([...(await plan([permission({ object: '/srv/d/b' })])).byPath.keys()]).to.deep.equal(['/srv/d/b']);
    expect([...(await plan([permission({ object: '/srv/d/b', types: ['directory'] })])).byPath.keys()]).to.deep.equal(
      [],
    );
  });
  it('23. refuses a pattern or an except on a file', async () => {
    expect((await plan([permission({ object: '/srv/a', pattern: '*' })])).faults[0]).to.contain('/srv/a');
    expect((await plan([permission({ object: '/srv/a', except: ['b'] })])).faults[0]).to.contain('line 3');
  });
  it('29. refuses a default ACL on a file, not on directories', async () => {
    expect((await plan([permission({ acls: ['default:user:bob:rw-'] })])).faults.join()).to.contain('/srv/d/b');
    expect((await plan([permission({ acls: ['default:user:bob:rw-'], types: ['directory'] })])).faults).to.deep.equal(
      [],
    );
  });
  it('105. refuses permissions for one path in two places', async () => {
    expect((await plan([permission({}), permission({ object: '/srv/d', line: 9 })])).faults[0])
      .to.contain('/srv/d/b')
      .and.to.contain('line 9');
  });
  it('looks owners and groups up, and keeps what is not given', async () => {
    expect((await plan([permission({ owner: 'bob' })])).byPath.get('/srv/a')).to.include({ uid: 7, gid: -1 });
    expect((await plan([permission({ group: 'web' })])).byPath.get('/srv/a')).to.include({ uid: -1, gid: 9 });
    expect((await plan([permission({ owner: 'eve', group: 'evil' })])).faults).to.have.length(2);
  });
  it('tells which permissions are about nothing', async () => {
    expect((await plan([permission({ object: '/opt' })])).unused).to.deep.equal(['/opt']);
  });
});

import { expect } from 'chai';
import { createAccounts } from '../../../../agent/host/accounts.ts';
import type { ToolResult } from '../../../../agent/host/process-runner.ts';

const FILES: Record<string, string> = {
  '/etc/passwd':
    'root:x:0:0:root:/root:/bin/sh\nbob:x:1000:1001::/home/bob:/bin/sh\n# comment\nbroken:x:y:z\n42:x:7:7::/:\n',
  '/etc/group': 'root:x:0:\nbob:x:1001:\nweb:x:33:alice,bob\ndocker:x:99:bob\n',
};

function accountsWith(getent: Record<string, string> = {}, files = FILES) {
  const asked: string[] = [];
  const accounts = createAccounts({
    disk: {
      readFile: async (path) => {
        const text = files[path];
        if (text === undefined) throw Object.assign(new Error('ENOENT'), { code: 'ENOENT' });
        return Buffer.from(text);
      },
    },
    run: async (file, args): Promise<ToolResult> => {
      asked.push([file, ...args].join(' '));
      const stdout = getent[args.join(' ')];
      return { exitCode: stdout === undefined ? 2 : 0, stdout: stdout ?? '', stderr: '' };
    },
  });
  return { accounts, asked };
}

describe('accounts', () => {
  it('finds a user by name and by number, with every group', async () => {
    const { accounts, asked } = accountsWith();
    const bob = { name: 'bob', uid: 1000, gid: 1001, home: '/home/bob', groups: [1001, 33, 99] };
    expect(await accounts.user('bob')).to.deep.equal(bob);
    expect(await accounts.user('1000')).to.deep.equal(bob);
    expect(asked).to.deep.equal([]);
  });
  it('asks getent about those who are not in the files', async () => {
    const { accounts } = accountsWith({
      'passwd ldap': 'ldap:*:5000:5000:L:/home/ldap:/bin/sh\n',
      'initgroups ldap': 'ldap                 5000 6000\n',
      'group far': 'far:*:6000:ldap\n',
    });
    expect(await accounts.user('ldap')).to.deep.equal({
      name: 'ldap',
      uid: 5000,
      gid: 5000,
      home: '/home/ldap',
      groups: [5000, 6000],
    });
    expect(await accounts.group('far')).to.deep.equal({ gid: 6000 });
  });
  it('knows nobody by a name that nobody has, and asks nothing strange', async () => {
    const { accounts, asked } = accountsWith();
    expect(await accounts.user('nobody-here')).to.equal(null);
    expect(await accounts.group('nobody-here')).to.equal(null);
    asked.length = 0;
    for (const name of ['', '--help', 'a:b', 'a b', 'bob\n']) expect(await accounts.user(name), name).to.equal(null);
    expect(asked).to.deep.equal([]);
  });
  it('does without files, and without getent', async () => {
    const { accounts } = accountsWith({}, {});
    expect(await accounts.user('bob')).to.equal(null);
    const broken = createAccounts({
      disk: { readFile: async () => Buffer.from('') },
      run: async () => Promise.reject(new Error('ENOENT')),
    });
    expect(await broken.user('bob')).to.equal(null);
  });
  it('takes the number of a group as it is', async () => {
    const { accounts } = accountsWith();
    expect(await accounts.group('web')).to.deep.equal({ gid: 33 });
    expect(await accounts.group('12345')).to.deep.equal({ gid: 12_345 });
    expect(await accounts.group('4294967295')).to.equal(null);
  });
});

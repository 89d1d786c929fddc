import { expect } from 'chai';
import { parseAcl } from '../../../../shared/appspec/acl.ts';

function canonical(entry: string): string | null {
  const acl = parseAcl(entry);
  return acl.ok ? acl.canonical : null;
}

describe('parseAcl', () => {
  it('27. refuses fewer than two and more than four parts', () => {
    for (const entry of ['rwx', 'd:u:bob:r:x', 'd:r', '']) expect(canonical(entry), entry).to.equal(null);
  });
  it('27. refuses an unknown type, default twice, a named mask or other, and a bad permission', () => {
    for (const entry of [
      'x:bob:r',
      'd:d:u:r',
      'default:d:bob:r',
      'mask:bob:r',
      'o:bob:r',
      'u:bob:rwz',
      'u:bob:8',
      'u:bob:77',
      'u:bob:',
      'constructor:bob:r',
    ])
      expect(canonical(entry), entry).to.equal(null);
  });
  it('28. refuses base entries, which are the mode', () => {
    for (const entry of ['user::rwx', 'group::r', 'other::r', 'o:r', 'u:rw'])
      expect(canonical(entry), entry).to.equal(null);
  });
  it('30. writes entries in their long form', () => {
    expect(canonical('u:bob:rw')).to.equal('user:bob:rw-');
    expect(canonical('d:g:web:5')).to.equal('default:group:web:r-x');
    expect(canonical('default:user::7')).to.equal('default:user::rwx');
    expect(canonical('bob:x')).to.equal('user:bob:--x');
    expect(canonical('m:rw')).to.equal('mask::rw-');
    expect(canonical('mask::0')).to.equal('mask::---');
  });
});

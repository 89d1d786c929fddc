import { expect } from 'chai';
import fc from 'fast-check';
import { permissionMatches } from '../../../../shared/appspec/match.ts';

const rule = (pattern: string, except: string[] = [], types: ('file' | 'directory')[] = ['file', 'directory']) => ({
  object: '/srv/app',
  pattern,
  except,
  types,
});

describe('permissionMatches', () => {
  it('20. lets ** match at any depth below the object, but not the object', () => {
    expect(permissionMatches(rule('**'), '/srv/app/a', 'file')).to.equal(true);
    expect(permissionMatches(rule('**'), '/srv/app/a/b/c', 'file')).to.equal(true);
    expect(permissionMatches(rule('**'), '/srv/app', 'directory')).to.equal(false);
    expect(permissionMatches(rule('**'), '/srv/application', 'file')).to.equal(false);
    expect(permissionMatches({ ...rule('**'), object: '/' }, '/etc', 'directory')).to.equal(true);
  });
  it('21. lets other patterns match names directly below it only', () => {
    expect(permissionMatches(rule('*-x'), '/srv/app/a-x', 'file')).to.equal(true);
    expect(permissionMatches(rule('*-x'), '/srv/app/d/a-x', 'file')).to.equal(false);
    expect(permissionMatches(rule('a*b*c'), '/srv/app/a1b2c', 'file')).to.equal(true);
    expect(permissionMatches(rule('a*b*c'), '/srv/app/ac', 'file')).to.equal(false);
    expect(permissionMatches(rule('ab*ba'), '/srv/app/aba', 'file')).to.equal(false);
    expect(permissionMatches(rule('a.c'), '/srv/app/abc', 'file')).to.equal(false);
  });
  it('22. takes out what except names directly below it only', () => {
    expect(permissionMatches(rule('**', ['*.log']), '/srv/app/a.log', 'file')).to.equal(false);
    expect(permissionMatches(rule('**', ['*.log']), '/srv/app/d/a.log', 'file')).to.equal(true);
    expect(permissionMatches(rule('**', ['/srv/app/a']), '/srv/app/a', 'file')).to.equal(true);
  });
  it('heeds the type', () => {
    expect(permissionMatches(rule('**', [], ['file']), '/srv/app/d', 'directory')).to.equal(false);
  });
  it('agrees with a regular expression', () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'b', '*', '.'), maxLength: 6 });
    fc.assert(
      fc.property(
        text,
        fc.string({ unit: fc.constantFrom('a', 'b', '.'), minLength: 1, maxLength: 8 }),
        (pattern, name) => {
          if (pattern === '**') return;
          const regexp = new RegExp(`^${pattern.replaceAll('.', '\\.').replaceAll('*', '[^/]*')}$`);
          expect(permissionMatches(rule(pattern), `/srv/app/${name}`, 'file')).to.equal(regexp.test(name));
        },
      ),
    );
  });
});

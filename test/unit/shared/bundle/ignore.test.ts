import { expect } from 'chai';
import { detectBundleType } from '../../../../shared/bundle/detect.ts';
import { createIgnore } from '../../../../shared/bundle/ignore.ts';

describe('createIgnore', () => {
  const ignores = (pattern: string, path: string, isDirectory = false) => createIgnore([pattern])(path, isDirectory);

  it('matches names at any depth, and paths from the root', () => {
    expect(ignores('*.log', 'a/b/x.log')).to.equal(true);
    expect(ignores('*.log', 'x.logs')).to.equal(false);
    expect(ignores('/x.log', 'a/x.log')).to.equal(false);
    expect(ignores('/x.log', 'x.log')).to.equal(true);
    expect(ignores('a/*.log', 'a/x.log')).to.equal(true);
    expect(ignores('a/*.log', 'a/b/x.log')).to.equal(false);
    expect(ignores('a/**/x', 'a/x') && ignores('a/**/x', 'a/b/c/x')).to.equal(true);
  });
  it('heeds a slash at the end, comments and blank lines', () => {
    expect(ignores('node_modules/', 'a/node_modules', true)).to.equal(true);
    expect(ignores('node_modules/', 'node_modules', false)).to.equal(false);
    expect(ignores('# *', 'x') || ignores('  ', 'x')).to.equal(false);
  });
  it('takes other characters as they are', () => {
    expect(ignores('a.c', 'abc')).to.equal(false);
    expect(ignores('a+(b)', 'a+(b)')).to.equal(true);
    expect(ignores('f?', 'f1') && !ignores('f?', 'f12')).to.equal(true);
  });
});

describe('detectBundleType', () => {
  it('knows archives by how they begin', () => {
    expect(detectBundleType(Buffer.from([0x1f, 0x8b, 8]))).to.equal('tgz');
    expect(detectBundleType(Buffer.from('PK\u0003\u0004rest'))).to.equal('zip');
    expect(detectBundleType(Buffer.from('PK\u0005\u0006'))).to.equal('zip');
    expect(detectBundleType(Buffer.from('#!/bin/sh\n'))).to.equal(null);
    expect(detectBundleType(Buffer.alloc(512))).to.equal(null);
    expect(detectBundleType(Buffer.alloc(0))).to.equal(null);
  });
});

import { expect } from 'chai';
import { lintBundle } from '../../../../shared/appspec/lint.ts';
import type { BundleEntry } from '../../../../shared/bundle/entry.ts';

const script = (firstLine: string, mode = 0o755): BundleEntry => ({
  kind: 'file',
  mode,
  firstBytes: Buffer.from(`${firstLine}\nexit 0\n`),
});
const file: BundleEntry = { kind: 'file', mode: 0o644 };
const HEAD = 'version: 0.0\nos: linux\n';

function codes(body: string, entries: Record<string, BundleEntry>, appSpecName = 'appspec.yml'): string[] {
  const all = new Map(Object.entries({ [appSpecName]: file, ...entries }));
  return lintBundle({ appSpecText: HEAD + body, appSpecName, entries: all }).map((problem) => problem.code);
}
const hook = (location: string) => `hooks:\n  AfterInstall:\n    - location: ${location}\n      timeout: 5\n`;

describe('lintBundle', () => {
  it('finds nothing wrong with a good bundle', () => {
    expect(
      codes(`files:\n  - {source: /, destination: /srv/app}\n${hook('scripts/start.sh')}`, {
        'scripts/start.sh': script('#!/bin/sh'),
      }),
    ).to.deep.equal([]);
  });
  it('leaves to the host what is behind a link to a directory', () => {
    const link: BundleEntry = { kind: 'symlink', mode: 0o777 };
    const files = 'files:\n  - {source: current/etc/app.conf, destination: /etc/app}\n';
    expect(codes(files + hook('current/scripts/start.sh'), { current: link })).to.deep.equal([]);
    expect(codes(files + hook('other/scripts/start.sh'), { current: link })).to.deep.equal(['hook-script-missing']);
  });
  it("warns of what works here and not with AWS's agents", () => {
    const permission = (keys: string) => `permissions:\n  - {object: /srv, ${keys}}\n`;
    expect(codes(hook('"start it.sh"'), { 'start it.sh': script('#!/bin/sh') })).to.deep.equal([
      'aws-location-characters',
    ]);
    expect(codes(permission("owner: '1000', group: 33"), {})).to.deep.equal([
      'aws-numeric-account',
      'aws-numeric-account',
    ]);
    expect(codes(permission('context: {type: t, name: u}'), {})).to.deep.equal(['aws-context-range']);
    expect(codes(permission('context: {type: t, name: u, range: s0}'), {})).to.deep.equal([]);
    expect(codes(permission('except: [/srv/a]'), {})).to.deep.equal(['except-never-matches']);
    const link: BundleEntry = { kind: 'symlink', mode: 0o777 };
    const files = 'files:\n  - {source: app, destination: /srv}\n';
    expect(codes(files, { 'app/a': link, 'app/b': link, other: link })).to.deep.equal(['aws-symlink']);
    expect(codes(files, { 'app/a': file, other: link })).to.deep.equal([]);
  });
  it('returns the problems of the AppSpec itself', () => {
    expect(codes('os: x\n', {})).to.include('duplicate-key');
  });
  it('finds scripts that are missing, directories, not executable, without #! or with Windows line ends', () => {
    expect(codes(hook('x.sh'), {})).to.deep.equal(['hook-script-missing']);
    expect(codes(hook('x'), { x: { kind: 'directory', mode: 0o755 } })).to.deep.equal(['hook-script-directory']);
    expect(codes(hook('x.sh'), { 'x.sh': script('#!/bin/sh', 0o644) })).to.deep.equal(['hook-script-not-executable']);
    expect(codes(hook('x.sh'), { 'x.sh': script('echo hi') })).to.deep.equal(['hook-script-shebang']);
    expect(codes(hook('x.sh'), { 'x.sh': script('#!/bin/sh\r') })).to.deep.equal(['hook-script-crlf']);
  });
  it('finds sources that are not in the bundle, and knows directories by what is in them', () => {
    const files = (source: string) => `files:\n  - {source: ${source}, destination: /srv}\n`;
    expect(codes(files('web'), {})).to.deep.equal(['file-source-not-in-bundle']);
    expect(codes(files('web'), { 'web/index.html': file })).to.deep.equal([]);
    expect(codes(files('web/index.html'), { 'web/index.html': file })).to.deep.equal([]);
  });
  it('finds two sources for one destination, by line', () => {
    const problems = lintBundle({
      appSpecText: `${HEAD}files:\n  - {source: a, destination: /srv}\n  - {source: b/x, destination: /srv}\n`,
      appSpecName: 'appspec.yml',
      entries: new Map([
        ['a/x', file],
        ['b/x', file],
      ]),
    });
    expect(problems).to.have.length(1);
    expect(problems[0]).to.include({
      code: 'file-destination-twice',
      line: 5,
      message: 'both a/x and b/x go to /srv/x',
    });
  });
  it("warns of appspec.yaml, from which AWS's agent runs no hooks", () => {
    expect(codes('', {}, 'appspec.yaml')).to.deep.equal(['appspec-yaml']);
  });
});

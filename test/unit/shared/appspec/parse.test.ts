import { expect } from 'chai';
import fc from 'fast-check';
import type { AppSpec, AppSpecProblem } from '../../../../shared/appspec/appspec.ts';
import { parseAppSpec } from '../../../../shared/appspec/parse.ts';

const HEAD = 'version: 0.0\nos: linux\n';

function accepted(text: string): AppSpec {
  const result = parseAppSpec(text);
  if (!result.ok) throw new Error(`refused: ${JSON.stringify(result.problems)}`);
  return result.appSpec;
}

function problemsOf(text: string): readonly AppSpecProblem[] {
  const result = parseAppSpec(text);
  if (result.ok) throw new Error('accepted');
  return result.problems;
}

function errorCodes(text: string): string[] {
  return problemsOf(text)
    .filter((problem) => problem.severity === 'error')
    .map((problem) => problem.code);
}

function warningCodes(text: string): string[] {
  const result = parseAppSpec(text);
  return (result.ok ? result.warnings : result.problems)
    .filter((problem) => problem.severity === 'warning')
    .map((problem) => problem.code);
}

const permission = (lines: string) =>
  `${HEAD}permissions:\n  - object: /srv/app\n    ${lines.replaceAll('\n', '\n    ')}\n`;
const hook = (lines: string) => `${HEAD}hooks:\n  AfterInstall:\n    - location: s.sh\n      ${lines}\n`;

describe('parseAppSpec: the compatibility checklist', () => {
  it('1. refuses an empty file, one of spaces and one of comments', () => {
    for (const text of ['', '  \n\t\n'.replace('\t', ''), '# nothing\n', '---\n', 'null\n']) {
      expect(errorCodes(text), JSON.stringify(text)).to.deep.equal(['empty']);
      expect(problemsOf(text)[0]?.message).to.contain('was empty');
    }
  });
  it('2. refuses a missing version', () => {
    expect(errorCodes('os: linux\n')).to.deep.equal(['version-missing']);
    expect(errorCodes('version:\nos: linux\n')).to.deep.equal(['version-missing']);
  });
  it('3. refuses versions other than 0.0, and 0.0 in quotes', () => {
    expect(errorCodes('version: 1.0\nos: linux\n')).to.deep.equal(['version-unsupported']);
    expect(errorCodes("version: '0.0'\nos: linux\n")).to.deep.equal(['version-not-a-number']);
    expect(accepted('version: 0\nos: linux\n').os).to.equal('linux');
  });
  it('4. refuses a missing os and one that is not linux', () => {
    expect(errorCodes('version: 0.0\n')).to.deep.equal(['os-missing']);
    expect(errorCodes('version: 0.0\nos: beos\n')).to.deep.equal(['os-unsupported']);
    expect(errorCodes('version: 0.0\nos: windows\n')).to.deep.equal(['os-unsupported']);
  });
  it('5. refuses Linux with a capital letter and says so', () => {
    const [problem] = problemsOf('version: 0.0\nos: Linux\n');
    expect(problem?.code).to.equal('os-unsupported');
    expect(problem?.message).to.contain('lower case');
  });
  it('6. fills in empty collections', () => {
    const empty = {
      os: 'linux',
      files: [],
      fileExistsBehavior: null,
      permissions: [],
      hooks: new Map(),
      release: null,
    };
    expect(accepted(HEAD)).to.deep.equal(empty);
    expect(accepted(`${HEAD}files:\nhooks:\npermissions:\nfile_exists_behavior:\n`)).to.deep.equal(empty);
  });
  it('7. refuses a file_exists_behavior other than the three in upper case', () => {
    expect(accepted(`${HEAD}file_exists_behavior: RETAIN\n`).fileExistsBehavior).to.equal('RETAIN');
    expect(errorCodes(`${HEAD}file_exists_behavior: maybe\n`)).to.deep.equal(['file-exists-behavior-unknown']);
    expect(problemsOf(`${HEAD}file_exists_behavior: overwrite\n`)[0]?.hint).to.contain('OVERWRITE');
  });
  it('8. ignores unknown keys, with a warning that names the nearest', () => {
    const result = parseAppSpec(`${HEAD}hook:\n  x: 1\n`);
    expect(result.ok).to.equal(true);
    expect(result.ok && result.warnings[0]).to.include({
      code: 'unknown-key',
      line: 3,
      column: 1,
      hint: 'did you mean hooks?',
    });
  });
  it('9. keeps the order of scripts with location, runas and timeout', () => {
    const text = `${HEAD}hooks:\n  BeforeInstall:\n    - location: a.sh\n      runas: deploy\n      timeout: 30\n    - location: b.sh\n`;
    expect(accepted(text).hooks.get('BeforeInstall')).to.deep.equal([
      { location: 'a.sh', timeoutSeconds: 30, runas: 'deploy', sudo: false, args: [], env: {}, limits: null, line: 5 },
      { location: 'b.sh', timeoutSeconds: 3600, runas: null, sudo: false, args: [], env: {}, limits: null, line: 8 },
    ]);
  });
  it('10. reads the sudo flag, also in the words of YAML 1.1', () => {
    for (const word of ['true', 'yes', 'on', 'True'])
      expect(accepted(hook(`sudo: ${word}`)).hooks.get('AfterInstall')?.[0]?.sudo, word).to.equal(true);
    for (const word of ['false', 'no', 'off'])
      expect(accepted(hook(`sudo: ${word}`)).hooks.get('AfterInstall')?.[0]?.sudo, word).to.equal(false);
    expect(errorCodes(hook('sudo: perhaps'))).to.deep.equal(['wrong-type']);
  });
  it('11. gives a script without a timeout 3600 s', () => {
    expect(accepted(hook('timeout:')).hooks.get('AfterInstall')?.[0]?.timeoutSeconds).to.equal(3600);
  });
  it('12. ignores an event without scripts', () => {
    expect(accepted(`${HEAD}hooks:\n  AfterInstall:\n  BeforeInstall: []\n`).hooks.size).to.equal(0);
  });
  it('13. refuses a script without a location', () => {
    expect(errorCodes(`${HEAD}hooks:\n  AfterInstall:\n    - timeout: 3\n`)).to.deep.equal(['hook-location-missing']);
  });
  it('14. refuses timeouts that are no number, zero or negative', () => {
    for (const timeout of ['abc', '0', '-5', '0.5', '.nan', '.inf', 'true', '[1]'])
      expect(errorCodes(hook(`timeout: ${timeout}`)), timeout).to.deep.equal(['hook-timeout-invalid']);
  });
  it("15. reads '30s' as 30, 5.9 as 5 and accepts 99999", () => {
    const seconds = (written: string) =>
      accepted(hook(`timeout: ${written}`)).hooks.get('AfterInstall')?.[0]?.timeoutSeconds;
    expect([seconds("'30s'"), seconds('5.9'), seconds('99999')]).to.deep.equal([30, 5, 99_999]);
    expect(warningCodes(hook('timeout: 99999'))).to.deep.equal(['hook-timeout-long']);
  });
  it('15. reads the numbers of YAML 1.1 as numbers', () => {
    const seconds = (written: string) =>
      accepted(hook(`timeout: ${written}`)).hooks.get('AfterInstall')?.[0]?.timeoutSeconds;
    expect(['1_000', "'1_000'", '1,000', '5:00', '1:00:00'].map(seconds)).to.deep.equal([
      1_000, 1_000, 1_000, 300, 3_600,
    ]);
    expect(["'1,000'", "'5:00'", '0_'].map((written) => parseAppSpec(hook(`timeout: ${written}`)).ok)).to.deep.equal([
      true,
      true,
      false,
    ]);
  });
  it('16. trims location and runas', () => {
    const text = `${HEAD}hooks:\n  AfterInstall:\n    - location: " s.sh "\n      runas: " deploy "\n`;
    expect(accepted(text).hooks.get('AfterInstall')?.[0]).to.include({ location: 's.sh', runas: 'deploy' });
  });
  it('17. tells a missing source from a missing destination', () => {
    expect(errorCodes(`${HEAD}files:\n  - source: a\n`)).to.deep.equal(['file-destination-missing']);
    expect(errorCodes(`${HEAD}files:\n  - destination: /a\n`)).to.deep.equal(['file-source-missing']);
  });
  it('18. keeps the order of file mappings and normalises their paths', () => {
    const text = `${HEAD}files:\n  - source: /\n    destination: /srv/app/\n  - source: ./web/x\n    destination: /etc//x\n  - {source: '\\', destination: /}\n`;
    expect(accepted(text).files).to.deep.equal([
      { source: '.', destination: '/srv/app', line: 4 },
      { source: 'web/x', destination: '/etc/x', line: 6 },
      { source: '.', destination: '/', line: 8 },
    ]);
  });
  it('19. refuses a permission without an object', () => {
    expect(errorCodes(`${HEAD}permissions:\n  - mode: 644\n`)).to.deep.equal(['permission-object-missing']);
  });
  it('24. refuses types other than file and directory, and takes a bare one with a warning', () => {
    expect(errorCodes(permission('type: [file, link]'))).to.deep.equal(['permission-type-unknown']);
    expect(accepted(permission('type: [directory]')).permissions[0]?.types).to.deep.equal(['directory']);
    expect(accepted(permission('type: file')).permissions[0]?.types).to.deep.equal(['file']);
    expect(warningCodes(permission('type: file'))).to.deep.equal(['type-not-a-list']);
    expect(accepted(permission('mode: 7')).permissions[0]?.types).to.deep.equal(['file', 'directory']);
  });
  it('25. reads modes of one to four octal digits and refuses others', () => {
    const mode = (written: string) => accepted(permission(`mode: ${written}`)).permissions[0]?.mode;
    expect([mode('7'), mode("'44'"), mode('755'), mode("'4755'"), mode('0')]).to.deep.equal([
      0o7, 0o44, 0o755, 0o4755, 0,
    ]);
    for (const wrong of ['10755', "'00644'", '689', 'u+x', '6.4', '-7', '[7]', '0x1f', '0o644'])
      expect(errorCodes(permission(`mode: ${wrong}`)), wrong).to.deep.equal(['mode-invalid']);
  });
  it('26. reads an unquoted 0644 as its author meant it, and warns that another agent does not', () => {
    expect(accepted(permission('mode: 0644')).permissions[0]?.mode).to.equal(0o644);
    expect(warningCodes(permission('mode: 0644'))).to.deep.equal(['mode-unquoted']);
    expect(warningCodes(permission("mode: '0644'"))).to.deep.equal([]);
    expect(accepted(`%YAML 1.1\n---\n${permission('mode: 0644')}`).permissions[0]?.mode).to.equal(0o644);
  });
  it('27.-28. refuses ACL entries that are malformed or base entries, telling which', () => {
    expect(errorCodes(permission('acls: ["user:bob:rw", "x", "user::rwx", "mask:bob:r"]'))).to.deep.equal([
      'acl-invalid',
      'acl-invalid',
      'acl-invalid',
    ]);
    expect(problemsOf(permission('acls: ["x"]'))[0]?.path).to.equal('permissions[0].acls[0]');
  });
  it('30. writes ACL entries in their long form', () => {
    expect(accepted(permission('acls: ["d:u:bob:6", "g:web:rx", "m:rwx"]')).permissions[0]?.acls).to.deep.equal([
      'default:user:bob:rw-',
      'group:web:r-x',
      'mask::rwx',
    ]);
  });
  it('31. refuses a malformed SELinux range', () => {
    expect(errorCodes(permission('context:\n  type: t\n  range: s3-s0'))).to.deep.equal(['context-range-invalid']);
  });
  it('32. refuses a context without a type and one with a role', () => {
    expect(errorCodes(permission('context:\n  name: u'))).to.deep.equal(['context-type-missing']);
    expect(errorCodes(permission('context:\n  type: t\n  role: r'))).to.deep.equal(['context-role']);
  });
  it('33. takes the SELinux user from name, or from user with a warning', () => {
    const context = (key: string) => accepted(permission(`context:\n  type: t\n  ${key}: u`)).permissions[0]?.context;
    expect(context('name')).to.deep.equal({ user: 'u', type: 't', range: null });
    expect(context('user')).to.deep.equal(context('name'));
    expect(warningCodes(permission('context:\n  type: t\n  user: u'))).to.deep.equal(['context-user']);
    expect(errorCodes(permission('context:\n  type: t\n  user: u\n  name: v'))).to.deep.equal(['context-user-twice']);
  });
  it('34. refuses permissions for os windows', () => {
    const text = 'version: 0.0\nos: windows\npermissions:\n  - object: /a\n';
    expect(errorCodes(text)).to.deep.equal(['os-unsupported', 'permissions-on-windows']);
  });
});

describe('parseAppSpec', () => {
  it('tells every problem at once, each with its place', () => {
    const text = [
      "version: '0.0'",
      'os: linux',
      'files:',
      '  - source: ../x',
      '    destination: srv',
      'hooks:',
      '  AfterInstal:',
      '    - location: a.sh',
      '      timeout: -1',
    ].join('\n');
    const summary = problemsOf(text).map(({ code, path, line, column }) => ({ code, path, line, column }));
    expect(summary).to.deep.equal([
      { code: 'version-not-a-number', path: 'version', line: 1, column: 10 },
      { code: 'path-leaves-bundle', path: 'files[0].source', line: 4, column: 13 },
      { code: 'path-relative', path: 'files[0].destination', line: 5, column: 18 },
      { code: 'hook-event-unknown', path: 'hooks.AfterInstal', line: 7, column: 3 },
      { code: 'hook-timeout-invalid', path: 'hooks.AfterInstal[0].timeout', line: 9, column: 16 },
    ]);
    expect(problemsOf(text)[3]?.hint).to.equal('did you mean AfterInstall?');
  });

  it('refuses duplicate keys at their second place', () => {
    const [problem] = problemsOf(`${HEAD}os: linux\n`);
    expect(problem).to.include({ code: 'duplicate-key', line: 3, column: 1 });
  });

  it('tells the line of a syntax error and that tabs do not indent', () => {
    const [problem] = problemsOf(`${HEAD}hooks:\n\tAfterInstall:\n`);
    expect(problem).to.include({ code: 'yaml-syntax', line: 4 });
    expect(problem?.hint).to.contain('spaces');
  });

  it('tells that a pattern of stars needs quotes', () => {
    const problems = problemsOf(permission('pattern: **'));
    expect(problems.map((problem) => problem.hint).join()).to.contain('"**"');
  });

  it('refuses hooks on events that Drover performs itself, naming where scripts may go', () => {
    const [problem] = problemsOf(`${HEAD}hooks:\n  Install:\n    - location: a.sh\n`);
    expect(problem).to.include({ code: 'hook-event-reserved', hint: 'use BeforeInstall or AfterInstall' });
  });

  it('110. refuses events that are not in the deployment, and a deployment with an event that is not in hooks', () => {
    const text = `${HEAD}hooks:\n  MyEvent:\n    - location: a.sh\n`;
    const problems = (customEvents: readonly string[] | 'any') => {
      const result = parseAppSpec(text, { customEvents });
      return result.ok ? [...result.appSpec.hooks.keys()] : result.problems.map((problem) => problem.code);
    };
    expect(errorCodes(text)).to.deep.equal(['hook-event-unknown']);
    expect(problems(['MyEvent'])).to.deep.equal(['MyEvent']);
    expect(problems(['MyOther'])).to.deep.equal(['hook-event-unknown', 'hook-custom-event-missing']);
    expect(problems(['MyEvent', 'MyOther'])).to.deep.equal(['hook-custom-event-missing']);
    expect(problems('any'), 'an AppSpec that an earlier deployment accepted').to.deep.equal(['MyEvent']);
    const empty = parseAppSpec(`${HEAD}hooks:\n  MyEvent:\n`, { customEvents: ['MyEvent'] });
    expect(empty.ok, 'without scripts is fine').to.equal(true);
  });

  it('refuses a location outside of the bundle, and takes one with a leading slash as from its root', () => {
    const location = (written: string) => `${HEAD}hooks:\n  AfterInstall:\n    - location: ${written}\n`;
    expect(errorCodes(location('../x.sh'))).to.deep.equal(['path-leaves-bundle']);
    expect(errorCodes(location('.'))).to.deep.equal(['hook-location-missing']);
    expect(accepted(location('/x y.sh')).hooks.get('AfterInstall')?.[0]?.location).to.equal('x y.sh');
  });

  it('reads args and env as they were written and warns that they are extensions', () => {
    const text = `${HEAD}hooks:\n  AfterInstall:\n    - location: a.sh\n      args: [--n, 0644, yes]\n      env: {PORT: 08080, NAME: x}\n`;
    expect(accepted(text).hooks.get('AfterInstall')?.[0]).to.deep.include({
      args: ['--n', '0644', 'yes'],
      env: { PORT: '08080', NAME: 'x' },
    });
    expect(warningCodes(text)).to.deep.equal(['drover-extension', 'drover-extension']);
    expect(errorCodes(hook('env: {1X: y}'))).to.deep.equal(['hook-env-name']);
  });

  it('reads limits with units, and refuses what is no limit', () => {
    const text = `${HEAD}hooks:\n  AfterInstall:\n    - location: a.sh\n      limits: {memoryMaxBytes: 512M, cpuPercent: 150}\n`;
    expect(accepted(text).hooks.get('AfterInstall')?.[0]?.limits).to.deep.equal({
      memoryMaxBytes: 536_870_912,
      cpuPercent: 150,
      maxTasks: null,
    });
    expect(warningCodes(text)).to.deep.equal(['drover-extension']);
    for (const wrong of [
      'memoryMaxBytes: 1',
      'memoryMaxBytes: lots',
      'cpuPercent: 0',
      'cpuPercent: 5M',
      'maxTasks: -1',
    ])
      expect(errorCodes(hook(`limits: {${wrong}}`)), wrong).to.deep.equal(['hook-limit-invalid']);
    expect(accepted(hook('limits: {}')).hooks.get('AfterInstall')?.[0]?.limits).to.equal(null);
  });

  it('reads a release directory, and refuses one that makes no sense', () => {
    const files = 'files:\n  - {source: /, destination: /srv/app/current}\n';
    const text = (release: string, rest = files) => `${HEAD}strategy: release-directory\nrelease: ${release}\n${rest}`;
    expect(accepted(text('{directory: /srv/app/, shared: [log/, config/x.yaml], keep: 5}')).release).to.deep.equal({
      directory: '/srv/app',
      shared: ['log/', 'config/x.yaml'],
      keep: 5,
    });
    expect(accepted(text('{directory: /srv/app}')).release).to.deep.equal({
      directory: '/srv/app',
      shared: [],
      keep: 3,
    });
    expect(warningCodes(text('{directory: /srv/app}'))).to.deep.equal(['drover-extension']);
    expect(errorCodes(text('{directory: /srv/other}'))).to.deep.equal(['release-empty']);
    expect(errorCodes(text('{directory: srv/app}'))).to.deep.equal(['path-relative']);
    expect(errorCodes(text('{shared: []}'))).to.deep.equal(['release-missing']);
    expect(errorCodes(text(''))).to.deep.equal(['release-missing']);
    expect(errorCodes(text('{directory: /srv/app, shared: [../x]}'))).to.deep.equal(['shared-path']);
    expect(errorCodes(text('{directory: /srv/app, keep: 0}'))).to.deep.equal(['release-keep']);
    expect(errorCodes(`${HEAD}strategy: blue-green\n`)).to.deep.equal(['strategy-unknown']);
    expect(errorCodes(`${HEAD}release: {directory: /srv/app}\n${files}`)).to.deep.equal(['release-without-strategy']);
  });

  it('warns when the timeouts of an event add up to more than an hour', () => {
    const text = `${HEAD}hooks:\n  AfterInstall:\n    - location: a.sh\n    - location: b.sh\n`;
    expect(warningCodes(text)).to.deep.equal(['hook-timeouts-sum']);
  });

  it('resolves anchors, aliases and merge keys', () => {
    const text = `${HEAD}hooks:\n  AfterInstall: &a\n    - &s\n      location: a.sh\n      timeout: 5\n  BeforeInstall: *a\n  ApplicationStart:\n    - <<: *s\n      timeout: 6\n`;
    const hooks = accepted(text).hooks;
    expect(hooks.get('BeforeInstall')?.[0]).to.include({ location: 'a.sh', timeoutSeconds: 5 });
    expect(hooks.get('ApplicationStart')?.[0]).to.include({ location: 'a.sh', timeoutSeconds: 6 });
  });

  it('resolves merge keys of what is merged, the nearest first', () => {
    const text = `${HEAD}base: &base {runas: app, timeout: 60, sudo: true}\nmiddle: &middle\n  <<: *base\n  timeout: 30\nhooks:\n  AfterInstall:\n    - <<: [*middle, *base]\n      location: a.sh\n      sudo: false\n`;
    expect(accepted(text).hooks.get('AfterInstall')?.[0]).to.include({ runas: 'app', timeoutSeconds: 30, sudo: false });
    expect(warningCodes(text)).to.deep.equal(['unknown-key', 'unknown-key']);
  });

  it('is not led in circles by a mapping that is merged into itself', () => {
    const text = `${HEAD}hooks:\n  AfterInstall:\n    - &s\n      <<: *s\n      location: a.sh\n`;
    expect(accepted(text).hooks.get('AfterInstall')?.[0]).to.include({ location: 'a.sh' });
  });

  it('takes each alias for the last anchor of its name before it', () => {
    const text = `${HEAD}hooks:\n  AfterInstall:\n    - &s {location: a.sh}\n    - *s\n    - &s {location: b.sh}\n    - *s\n`;
    const locations = accepted(text)
      .hooks.get('AfterInstall')
      ?.map((script) => script.location);
    expect(locations).to.deep.equal(['a.sh', 'a.sh', 'b.sh', 'b.sh']);
  });

  it('reads ten thousand aliases in a moment', function () {
    this.timeout(8_000);
    const text = `${HEAD}script: &s {location: a.sh}\nhooks:\n  AfterInstall:\n${'    - *s\n'.repeat(10_000)}`;
    expect(accepted(text).hooks.get('AfterInstall')).to.have.lengthOf(10_000);
  });

  it('stops at too many values, however many more aliases promise', function () {
    this.timeout(20_000);
    const keys = Array.from({ length: 2_000 }, (_, i) => `  k${i}: 1\n`).join('');
    const text = `${HEAD}x: &x\n${keys}hooks:\n  AfterInstall:\n${'    - *x\n'.repeat(2_000)}`;
    expect(errorCodes(text)).to.include('too-many-values');
  });

  it('tells an error behind any number of warnings', () => {
    const permissions = Array.from({ length: 300 }, (_, i) => `  - {object: /srv/${i}, mode: 0644}\n`).join('');
    const text = `${HEAD}permissions:\n${permissions}hooks:\n  AfterInstal:\n    - location: a.sh\n`;
    expect(errorCodes(text)).to.deep.equal(['hook-event-unknown']);
  });

  it('gives up on aliases that multiply', () => {
    const acls = Array.from({ length: 1_000 }, (_, i) => `"user:u${i}:r"`).join(', ');
    const items = Array.from({ length: 1_000 }, () => '  - *p').join('\n');
    const text = `${HEAD}permissions:\n  - &p\n    object: /a\n    acls: [${acls}]\n${items}\n`;
    expect(errorCodes(text)).to.include('too-many-values');
  });

  it('answers structural surprises instead of throwing', () => {
    for (const text of [
      '[]',
      'x',
      '- a',
      '1',
      `${HEAD}files: x`,
      `${HEAD}hooks: [1]`,
      `${HEAD}hooks:\n  AfterInstall: s.sh`,
      `${HEAD}hooks:\n  AfterInstall:\n    location: s.sh`,
      `${HEAD}permissions: {a: 1}`,
      `${HEAD}files: [[], 1, null]`,
      `${HEAD}? [a]\n: b\nfiles: 1`,
    ])
      expect(errorCodes(text), text).to.include('wrong-type');
  });

  it('never throws, whatever it is given', () => {
    const pieces = fc.constantFrom(
      ...[
        'version',
        'os',
        'files',
        'hooks',
        'permissions',
        'source',
        'AfterInstall',
        'acls',
        'mode',
        'context',
        'range',
        ': ',
        '\n',
        '  ',
        '- ',
        '&a',
        '*a',
        '<<',
        '{',
        '}',
        '[',
        ']',
        '"',
        "'",
        '|',
        '>',
        '!!binary',
        '!x',
        '#',
        '%',
        '\t',
        '0644',
        '~',
        'linux',
        '0.0',
        '\0',
        '\r\n',
        '?',
        '---',
        '...',
      ],
    );
    const texts = fc.oneof(
      fc.string(),
      fc.string({ unit: 'binary' }),
      fc.array(pieces, { maxLength: 60 }).map((all) => all.join('')),
      fc.array(pieces, { maxLength: 60 }).map((all) => HEAD + all.join('')),
    );
    fc.assert(
      fc.property(texts, (text) => {
        const result = parseAppSpec(text);
        const problems = result.ok ? result.warnings : result.problems;
        expect(result.ok || problems.some((problem) => problem.severity === 'error')).to.equal(true);
        for (const problem of problems) {
          expect(problem.line).to.be.at.least(1);
          expect(problem.column).to.be.at.least(1);
        }
      }),
      { numRuns: 3_000 },
    );
  });
});

describe('parseAppSpec: texts made to hurt', () => {
  for (const piece of ['[', '{', '- ', '? ', 'a: ', '[ #]\n', '? - ', '{? ', '&a ', '!a '])
    it(`gives up on ${JSON.stringify(piece)} by the ten thousand`, () => {
      expect(errorCodes(piece.repeat(10_000))).to.include('yaml-syntax');
    });

  it('gives up on lines indented ever deeper', () => {
    const lines = Array.from({ length: 2_000 }, (_, depth) => `${' '.repeat(depth)}a:`);
    expect(errorCodes(lines.join('\n').slice(0, 900_000))).to.include('yaml-syntax');
  });

  it('does not spell out collections that are keys', () => {
    expect(errorCodes(`${'? '.repeat(60)}a`)).to.include('version-missing');
  });

  it('refuses a file larger than its bound', () => {
    expect(errorCodes(`${HEAD}#${'x'.repeat(1_100_000)}`)).to.deep.equal(['yaml-syntax']);
  });
});

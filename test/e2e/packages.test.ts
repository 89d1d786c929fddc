import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const missing = ['dpkg-deb', 'strip', 'readelf'].filter((tool) => spawnSync('which', [tool]).status !== 0);

describe(`npm run package${missing.length === 0 ? '' : ` (skipped: needs ${missing.join(', ')})`}`, function () {
  this.timeout(240_000);
  let directory: string;
  const build = (folder: string) => {
    const outdir = join(directory, folder);
    execFileSync(process.execPath, ['.ci/package.mjs', '--fast', '--outdir', outdir], {
      cwd: ROOT,
      env: { ...process.env, SOURCE_DATE_EPOCH: '1767225600' },
    });
    return Object.fromEntries(
      readdirSync(outdir, { withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map(({ name }) => [name.replace(/_[^_]*_(amd64|arm64)/, ''), join(outdir, name)]),
    );
  };
  let built: Record<string, string>;

  before(function () {
    if (missing.length > 0) return this.skip();
    directory = mkdtempSync(join(tmpdir(), 'drover-packages-'));
    built = build('first');
  });
  after(() => {
    if (directory !== undefined) rmSync(directory, { recursive: true });
  });

  const unpacked = (name: string) => {
    const target = join(directory, name);
    execFileSync('dpkg-deb', ['--raw-extract', built[name] ?? expect.fail(`${name} was not built`), target]);
    return target;
  };

  it('makes a package and an archive of both parts', () => {
    expect(Object.keys(built).sort()).to.deep.equal([
      'drover-agent.deb',
      'drover-agent.tar.gz',
      'drover-coordinator.deb',
      'drover-coordinator.tar.gz',
      'install.sh',
    ]);
  });

  it('gives the same bytes for the same sources', () => {
    const digest = (path: string) => createHash('sha256').update(readFileSync(path)).digest('hex');
    for (const [name, path] of Object.entries(build('second')))
      expect(digest(path), name).to.equal(digest(built[name] ?? ''));
  });

  it('puts a Node inside that runs the programs, with nothing of this checkout', () => {
    for (const [name, program] of [
      ['drover-agent.deb', 'drover-agent'],
      ['drover-coordinator.deb', 'drover-coordinator'],
      ['drover-coordinator.deb', 'drover'],
    ] as const) {
      const library = join(directory, name, 'usr/lib', name.replace('.deb', ''));
      if (!readdirSync(directory).includes(name)) unpacked(name);
      // The launcher itself, with the paths that it has here.
      const launcher = readFileSync(join(directory, name, 'usr/bin', program), 'utf8');
      const here = launcher.replaceAll('/usr/lib/', join(directory, name, 'usr/lib/'));
      const ran = spawnSync('/bin/sh', ['-c', here, program, '--version'], { cwd: '/', env: {}, encoding: 'utf8' });
      if (program === 'drover-agent')
        expect(launcher)
          .to.include('--max-semi-space-size=1 ')
          .and.to.include('DROVER_AGENT_OPEN_FILES="$(ulimit -Sn)"');
      expect(ran.stdout, ran.stderr).to.match(/\b\d+\.\d+\.\d+\b/);
      expect(readFileSync(join(library, `${program}.js`), 'utf8')).not.to.include(ROOT);
    }
  });

  it('has what the command loads late beside it', () => {
    const library = join(directory, 'drover-coordinator.deb/usr/lib/drover-coordinator');
    // Nobody listens there: it gets as far as that once it has loaded AWS's clients.
    const env = { DROVER_URL: 'http://127.0.0.1:1', DROVER_TOKEN: 'x', AWS_REGION: 'eu-west-1', HOME: directory };
    const args = [join(library, 'drover.js'), 'import', 'codedeploy', '--dry-run'];
    const ran = spawnSync(join(library, 'node'), args, { cwd: '/', env, encoding: 'utf8' });
    expect(ran.status, ran.stderr).to.equal(12);
  });

  it('has every page and example beside a page that links to it', () => {
    for (const part of ['agent', 'coordinator']) {
      const docs = join(directory, `drover-${part}.deb/usr/share/doc/drover-${part}`);
      const pages = readdirSync(docs, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.md'));
      expect(pages).to.include(part === 'agent' ? 'agent.md' : 'operations.md');
      const astray = pages.flatMap((page) =>
        [...readFileSync(join(docs, page), 'utf8').matchAll(/\]\((?!https?:|#)([^)#\s]+)[^)]*\)/g)]
          .map(([, link = '']) => ({ page, link, file: join(docs, dirname(page), link) }))
          .filter(({ file }) => !file.startsWith(`${docs}/`) || !existsSync(file))
          .map(({ link }) => `${page}: ${link}`),
      );
      expect(astray, `drover-${part}`).to.deep.equal([]);
    }
  });

  it('declares the configuration as such, and scripts that a shell can read', () => {
    for (const part of ['agent', 'coordinator']) {
      const control = join(directory, `drover-${part}.deb`, 'DEBIAN');
      expect(readFileSync(join(control, 'conffiles'), 'utf8')).to.equal(`/etc/drover/${part}.yaml\n`);
      for (const script of ['preinst', 'postinst', 'prerm', 'postrm']) {
        expect(statSync(join(control, script)).mode & 0o777).to.equal(0o755);
        expect(spawnSync('sh', ['-n', join(control, script)]).status).to.equal(0);
      }
    }
  });

  it('lets the coordinator offer the agent that was built with it', () => {
    const offered = readdirSync(join(directory, 'drover-coordinator.deb/usr/share/drover/packages'));
    expect(offered.filter((name) => name.endsWith('.deb') || name.endsWith('.tar.gz'))).to.have.lengthOf(2);
    expect(offered).to.include('install.sh');
    const scripts = join(directory, 'drover-coordinator.deb/usr/share/drover/packages/agent-update');
    expect(readdirSync(scripts)).to.deep.equal(readdirSync(join(directory, 'first/agent-update')));
    expect(readdirSync(scripts)).to.include.members(['appspec.yml', 'update.sh', 'updater.sh']);
    for (const name of readdirSync(scripts).filter((file) => file.endsWith('.sh')))
      expect(spawnSync('sh', ['-n', join(scripts, name)]).status, name).to.equal(0);
  });
});

// Builds what hosts install: drover-agent and drover-coordinator as .deb, and both as .tar.gz for other systems. Each brings its own
// Node, so that a host needs nothing but its C library. Prints sizes; --list prints the contents, too.
// Usage: node .ci/package.mjs [--outdir DIR] [--version VERSION] [--protocol MAJOR.MINOR] [--part agent] [--fast] [--list]
//   --fast      compresses little: for tests
//   --version   instead of the one in package.json: for tests of upgrades
//   --protocol  instead of the one in the sources: for tests of other versions beside this one
//   --part      only that one
// The same sources and the same Node give the same bytes: times are those of the last commit (SOURCE_DATE_EPOCH), owners are
// root, and nothing that is packed knows where it was built.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const { values: options } = parseArgs({
  options: {
    outdir: { type: 'string', default: 'dist/packages' },
    version: { type: 'string' },
    protocol: { type: 'string' },
    part: { type: 'string' },
    fast: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
  },
});
const version = options.version ?? JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).version;
const outdir = resolve(root, options.outdir);
/**
 * The half spaces of the young generation stay at 1 MiB, instead of growing to 16. Private memory of an agent, measured with it and without:
 * 19.5 and 22.1 MiB when it has just connected, 29 and 37 MiB 15 s after a deployment of 400 files; the same 16 MiB once V8 has tidied up
 * an agent that never worked. In the launcher and not in the unit, so that it holds without systemd, and not as NODE_OPTIONS, which
 * children would inherit. bench/support/agent.ts starts agents with it, too.
 */
const AGENT_NODE_OPTIONS = '--max-semi-space-size=1 ';
/** `ulimit -Sn`, which Node raises as far as it may before it runs a line of the program: hooks get it back (agent/host/hook-wrapper.ts). */
const AGENT_ENVIRONMENT = 'export DROVER_AGENT_OPEN_FILES="$(ulimit -Sn)"\n';
/** For operators, with all that they link to. */
const COORDINATOR_DOCS = [
  ...['agent', 'aws-agents', 'cli', 'configuration', 'install', 'operations', 'rollout', 'triggers'].map(
    (page) => `docs/${page}.md`,
  ),
  'docs/decisions/0007-secrets-of-access-keys.md',
  'examples/agent.yaml',
  'examples/coordinator.yaml',
  'examples/webhook-receiver.mjs',
];
const DEBIAN_ARCHITECTURES = { x64: 'amd64', arm64: 'arm64' };
const architecture = DEBIAN_ARCHITECTURES[process.arch];
if (process.platform !== 'linux' || architecture === undefined)
  fail(`packages are built on Linux, amd64 or arm64; this is ${process.platform} ${process.arch}`);
const epoch = process.env.SOURCE_DATE_EPOCH ?? commitTime();
const env = { ...process.env, SOURCE_DATE_EPOCH: epoch, LC_ALL: 'C', TZ: 'UTC' };

process.umask(0o022);
mkdirSync(outdir, { recursive: true });
const scratch = mkdtempSync(join(tmpdir(), 'drover-package-'));
try {
  const programs = join(scratch, 'programs');
  const protocol = options.protocol === undefined ? [] : ['--protocol', options.protocol];
  run(process.execPath, ['.ci/build.mjs', '--outdir', programs, '--version', version, ...protocol, '--no-sourcemap']);
  const node = join(scratch, 'node');
  run('cp', [process.execPath, node]);
  // Symbols are of no use on a host: an eighth of the size.
  run('strip', ['--strip-unneeded', node]);

  const agent = packageOf('agent', 'Drover agent: deploys what its coordinator assigns to this host');
  addProgram(agent, 'drover-agent', join(programs, 'drover-agent.js'), node, {
    nodeOptions: AGENT_NODE_OPTIONS,
    before: AGENT_ENVIRONMENT,
  });
  addSystemd(agent, ['tmpfiles']);
  addDocs(agent, ['docs/agent.md', 'docs/appspec.md', 'examples/agent.yaml']);
  const agentFiles = [buildDeb(agent, [node]), buildArchive(agent)];

  const coordinatorFiles = options.part === 'agent' ? [] : packCoordinator(agentFiles, { programs, node });
  cpSync(join(root, 'systemd/install.sh'), join(outdir, 'install.sh'));
  cpSync(join(root, 'systemd/agent-update'), join(outdir, 'agent-update'), { recursive: true });
  for (const file of [...agentFiles, ...coordinatorFiles]) describe(file);
} finally {
  rmSync(scratch, { recursive: true, force: true });
}

function packCoordinator(agentFiles, { programs, node }) {
  const coordinator = packageOf('coordinator', 'Drover coordinator and the drover command');
  addProgram(coordinator, 'drover-coordinator', join(programs, 'drover-coordinator.js'), node);
  addProgram(coordinator, 'drover', join(programs, 'drover.js'), null);
  place(coordinator, join(programs, 'drover-aws.js'), `usr/lib/${coordinator.name}/drover-aws.js`, 0o644);
  const addOn = addNativeModule(coordinator);
  addSystemd(coordinator, ['tmpfiles', 'sysusers']);
  addDocs(coordinator, COORDINATOR_DOCS);
  // What it offers to hosts.
  for (const file of agentFiles) place(coordinator, file, `usr/share/drover/packages/${file.split('/').at(-1)}`, 0o644);
  place(coordinator, join(root, 'systemd/install.sh'), 'usr/share/drover/packages/install.sh', 0o644);
  for (const name of readdirSync(join(root, 'systemd/agent-update')))
    place(
      coordinator,
      join(root, 'systemd/agent-update', name),
      `usr/share/drover/packages/agent-update/${name}`,
      name.endsWith('.sh') ? 0o755 : 0o644,
    );
  return [buildDeb(coordinator, [node, addOn]), buildArchive(coordinator)];
}

function packageOf(part, summary) {
  const name = `drover-${part}`;
  const tree = join(scratch, name);
  mkdirSync(tree, { recursive: true });
  return { part, name, summary, tree };
}

/** Without a Node of its own, a program uses the one of the package. */
function addProgram(target, name, script, node, { nodeOptions = '', before = '' } = {}) {
  const library = `usr/lib/${target.name}`;
  place(target, script, `${library}/${name}.js`, 0o644);
  if (node !== null) place(target, node, `${library}/node`, 0o755);
  // ES modules, whatever stands above.
  write(target, `${library}/package.json`, '{ "type": "module" }\n', 0o644);
  write(
    target,
    `usr/bin/${name}`,
    `#!/bin/sh\n${before}exec /${library}/node ${nodeOptions}/${library}/${name}.js "$@"\n`,
    0o755,
  );
}

function addNativeModule(target) {
  const modules = `usr/lib/${target.name}/node_modules`;
  for (const path of [
    'better-sqlite3/package.json',
    'better-sqlite3/lib',
    'better-sqlite3/LICENSE',
    'bindings',
    'file-uri-to-path',
  ])
    cpSync(join(root, 'node_modules', path), join(target.tree, modules, path), {
      recursive: true,
      filter: (source) => !/\/(test|\.[^/]+|\.npmignore)$/.test(source),
    });
  const file = `${modules}/better-sqlite3/build/Release/better_sqlite3.node`;
  place(target, join(root, 'node_modules/better-sqlite3/build/Release/better_sqlite3.node'), file, 0o644);
  run('strip', ['--strip-unneeded', join(target.tree, file)]);
  return join(target.tree, file);
}

function addSystemd(target, kinds) {
  const folders = { tmpfiles: 'usr/lib/tmpfiles.d', sysusers: 'usr/lib/sysusers.d' };
  place(target, join(root, `systemd/${target.name}.service`), `usr/lib/systemd/system/${target.name}.service`, 0o644);
  for (const kind of kinds)
    place(target, join(root, `systemd/${target.name}.${kind}`), `${folders[kind]}/${target.name}.conf`, 0o644);
  place(target, join(root, `systemd/${target.part}.yaml`), `etc/drover/${target.part}.yaml`, 0o644);
}

/** Pages stay as they lie in docs/; examples lie beside them, and the pages' links to examples lead there. */
function addDocs(target, paths) {
  for (const path of paths) {
    const text = readFileSync(join(root, path), 'utf8');
    const name = path.replace(/^(docs|examples)\//, '');
    const packaged = path.endsWith('.md') ? text.replaceAll('](../examples/', '](') : text;
    write(target, `usr/share/doc/${target.name}/${name}`, packaged, 0o644);
  }
}

/** @param binaries what decides which C library a host must have at least */
function buildDeb(target, binaries) {
  const control = join(target.tree, 'DEBIAN');
  mkdirSync(control);
  const sizeKib = Number(run('du', ['-sk', '--apparent-size', target.tree]).split('\t')[0]);
  const depends = `libc6 (>= ${newestGlibcOf(binaries)}), libstdc++6 (>= 9)`;
  writeFileSync(
    join(control, 'control'),
    `Package: ${target.name}
Version: ${version}
Architecture: ${architecture}
Maintainer: Drover maintainers <maintainers@drover.invalid>
Installed-Size: ${sizeKib}
Depends: ${depends}
Recommends: systemd${target.part === 'agent' ? ', acl' : ''}
Section: admin
Priority: optional
Description: ${target.summary}
 Part of Drover, a self-hosted deployment service for fleets of Linux hosts.
 Brings its own Node ${process.versions.node}.
`,
  );
  writeFileSync(join(control, 'conffiles'), `/etc/drover/${target.part}.yaml\n`);
  for (const script of ['preinst', 'postinst', 'prerm', 'postrm']) {
    cpSync(join(root, `systemd/debian/${target.part}.${script}`), join(control, script));
    run('chmod', ['755', join(control, script)]);
  }
  const file = join(outdir, `${target.name}_${version}_${architecture}.deb`);
  const compression = options.fast ? ['-Zgzip', '-z1'] : ['-Zxz', '-z6'];
  run('dpkg-deb', ['--root-owner-group', ...compression, '-b', target.tree, file]);
  rmSync(control, { recursive: true });
  return file;
}

/** For systems without dpkg: to be unpacked over /. A configuration that is there already must survive that. */
function buildArchive(target) {
  const example = `usr/share/doc/${target.name}/${target.part}.yaml.packaged`;
  place(target, join(target.tree, `etc/drover/${target.part}.yaml`), example, 0o644);
  rmSync(join(target.tree, 'etc'), { recursive: true });
  const file = join(outdir, `${target.name}_${version}_${architecture}.tar.gz`);
  run('sh', [
    '-c',
    `tar --create --sort=name --mtime=@${epoch} --owner=root:0 --group=root:0 --numeric-owner --format=gnu -C "$1" . | gzip -n -${options.fast ? 1 : 6} > "$2"`,
    'sh',
    target.tree,
    file,
  ]);
  return file;
}

function newestGlibcOf(binaries) {
  const versions = binaries.flatMap((binary) =>
    [...run('readelf', ['--version-info', '--wide', binary]).matchAll(/GLIBC_(\d+)\.(\d+)/g)].map((match) => [
      Number(match[1]),
      Number(match[2]),
    ]),
  );
  const newest = versions.reduce((a, b) => (a[0] > b[0] || (a[0] === b[0] && a[1] >= b[1]) ? a : b));
  return newest.join('.');
}

function place(target, source, path, mode) {
  const destination = join(target.tree, path);
  mkdirSync(dirname(destination), { recursive: true });
  cpSync(source, destination);
  run('chmod', [mode.toString(8), destination]);
}

function write(target, path, text, mode) {
  const destination = join(target.tree, path);
  mkdirSync(dirname(destination), { recursive: true });
  writeFileSync(destination, text);
  run('chmod', [mode.toString(8), destination]);
}

function describe(file) {
  const mib = (statSync(file).size / 1_048_576).toFixed(1);
  process.stdout.write(`${mib.padStart(6)} MiB  ${file}\n`);
  if (!options.list) return;
  const listing = file.endsWith('.deb') ? run('dpkg-deb', ['--contents', file]) : run('tar', ['-tvzf', file]);
  process.stdout.write(`${listing.replace(/^/gm, '        ').trimEnd()}\n`);
}

function commitTime() {
  const result = spawnSync('git', ['log', '-1', '--format=%ct'], { cwd: root, encoding: 'utf8' });
  // Outside of a checkout: an instant that does not change.
  return result.status === 0 && result.stdout.trim() !== '' ? result.stdout.trim() : '1767225600';
}

function run(command, args) {
  const result = spawnSync(command, args, { cwd: root, env, encoding: 'utf8', maxBuffer: 64 * 1_048_576 });
  if (result.error !== undefined || result.status !== 0)
    fail(
      `${command} ${args.join(' ')}: ${result.error?.message ?? `exit ${result.status ?? result.signal}\n${result.stderr}`}`,
    );
  return result.stdout;
}

function fail(message) {
  throw new Error(message);
}

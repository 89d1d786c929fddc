// Brings a checkout to where its commands can run: dependencies as the lock file says, and the programs built from the
// sources that are there. Does nothing, quickly, when both are current. Uses Node alone, since nothing is installed yet.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const installedStamp = join(root, 'node_modules/.drover-installed');
const builtStamp = join(root, 'dist/.drover-built');

function hashOf(paths) {
  const hash = createHash('sha256');
  for (const path of paths)
    hash
      .update(path)
      .update('\0')
      .update(readFileSync(join(root, path)))
      .update('\0');
  return hash.digest('hex');
}

function sourcesBelow(folder) {
  return readdirSync(join(root, folder), { recursive: true })
    .map((name) => join(folder, String(name)))
    .filter((path) => path.endsWith('.ts') || path.endsWith('.json'))
    .sort();
}

function isCurrent(stamp, hash) {
  return existsSync(stamp) && readFileSync(stamp, 'utf8') === hash;
}

function run(what, command, args) {
  process.stderr.write(`${what}\n`);
  // better-sqlite3 would first look for a prebuilt binary on the network: build it here instead.
  const env = { ...process.env, npm_config_build_from_source: 'true' };
  // Our standard output belongs to the command that follows.
  const result = spawnSync(command, args, { cwd: root, stdio: ['ignore', 2, 2], env });
  if (result.status !== 0) {
    process.stderr.write(`${what}: failed (${result.status ?? result.signal ?? result.error?.message})\n`);
    process.exit(1);
  }
}

const wantInstalled = `${hashOf(['package-lock.json'])} node ${process.versions.modules}`;
if (!isCurrent(installedStamp, wantInstalled)) {
  // Not `npm ci`: it wants an entry for every platform's optional package, also of those that a registry does not carry.
  // `npm install --no-save` installs what the lock file says and leaves the file alone.
  run('Installing dependencies (about a minute: SQLite is compiled here)', 'npm', [
    'install',
    '--no-save',
    '--no-audit',
    '--no-fund',
  ]);
  writeFileSync(installedStamp, wantInstalled);
}
const wantBuilt = hashOf([
  'package-lock.json',
  'tsconfig.json',
  '.ci/build.mjs',
  ...['agent', 'coordinator', 'shared'].flatMap(sourcesBelow),
]);
if (!isCurrent(builtStamp, wantBuilt)) {
  run('Building the programs', process.execPath, ['.ci/build.mjs']);
  mkdirSync(join(root, 'dist'), { recursive: true });
  writeFileSync(builtStamp, wantBuilt);
}

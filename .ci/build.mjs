// Bundles the three programs and the SDK into dist/. Bundled because it starts faster and imports only what is used;
// better-sqlite3 stays outside, since it is a native module.
// Usage: node .ci/build.mjs [--outdir DIR] [--version VERSION] [--no-sourcemap]
import { chmodSync, existsSync, mkdirSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';

const { values: options } = parseArgs({
  options: {
    outdir: { type: 'string', default: 'dist' },
    version: { type: 'string' },
    'no-sourcemap': { type: 'boolean', default: false },
  },
});

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const programs = {
  drover: 'coordinator/cli/main.ts',
  'drover-agent': 'agent/main.ts',
  'drover-coordinator': 'coordinator/main.ts',
};
const libraries = { sdk: 'shared/sdk/drover-client.ts' };
const present = (entries) =>
  Object.fromEntries(Object.entries(entries).filter(([, path]) => existsSync(join(root, path))));

const common = {
  absWorkingDir: root,
  bundle: true,
  platform: 'node',
  target: 'node20',
  format: 'esm',
  outdir: options.outdir,
  sourcemap: options['no-sourcemap'] ? false : 'linked',
  define: options.version === undefined ? {} : { DROVER_BUILD_VERSION: JSON.stringify(options.version) },
  legalComments: 'none',
  external: ['better-sqlite3'],
  logLevel: 'warning',
};
// CommonJS packages inside an ES module bundle ask for require().
const requireBanner =
  "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);";

const outdir = resolve(root, options.outdir);
mkdirSync(outdir, { recursive: true });
await build({ ...common, entryPoints: { ...present(programs), ...present(libraries) }, banner: { js: requireBanner } });
for (const name of Object.keys(present(programs))) chmodSync(join(outdir, `${name}.js`), 0o755);

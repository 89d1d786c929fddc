// Bundles the three programs and the SDK into dist/. Bundled because it starts faster and imports only what is used;
// better-sqlite3 stays outside, since it is a native module.
import { chmodSync, existsSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

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
  outdir: 'dist',
  sourcemap: 'linked',
  legalComments: 'none',
  external: ['better-sqlite3'],
  logLevel: 'warning',
};
// CommonJS packages inside an ES module bundle ask for require().
const requireBanner =
  "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);";

mkdirSync(join(root, 'dist'), { recursive: true });
await build({ ...common, entryPoints: { ...present(programs), ...present(libraries) }, banner: { js: requireBanner } });
for (const name of Object.keys(present(programs))) chmodSync(join(root, 'dist', `${name}.js`), 0o755);

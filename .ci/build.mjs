// Bundles the three programs, what one of them loads late, and the SDK into dist/. Bundled because it starts faster and imports only what is used;
// better-sqlite3 stays outside, since it is a native module.
// Usage: node .ci/build.mjs [--outdir DIR] [--version VERSION] [--protocol MAJOR.MINOR] [--no-sourcemap]
import { chmodSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { createRequire, isBuiltin } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';

const { values: options } = parseArgs({
  options: {
    outdir: { type: 'string', default: 'dist' },
    version: { type: 'string' },
    protocol: { type: 'string' },
    'no-sourcemap': { type: 'boolean', default: false },
  },
});

const require = createRequire(import.meta.url);
const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const programs = {
  drover: 'coordinator/cli/main.ts',
  'drover-agent': 'agent/main.ts',
  'drover-coordinator': 'coordinator/main.ts',
};
const libraries = { sdk: 'shared/sdk/drover-client.ts' };
/** What `drover` loads for one command alone: in its own text, these 1.7 MB would cost every command 40 ms of its start. */
const loadedLate = { 'drover-aws': 'coordinator/cli/import/aws-sdk.ts' };
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
  define: {
    ...(options.version === undefined ? {} : { DROVER_BUILD_VERSION: JSON.stringify(options.version) }),
    ...(options.protocol === undefined ? {} : { DROVER_BUILD_PROTOCOL: JSON.stringify(options.protocol) }),
  },
  legalComments: 'none',
  external: ['better-sqlite3'],
  logLevel: 'warning',
};
// CommonJS packages inside an ES module bundle ask for require().
const requireBanner =
  "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);";

/** Messages of zod in fifty languages, of which the programs speak one. */
const oneLanguage = {
  name: 'one-language',
  setup: ({ onLoad }) =>
    onLoad({ filter: /[/\\]zod[/\\]v4[/\\]locales[/\\]index\.js$/ }, () => ({
      contents: "export { default as en } from './en.js';",
    })),
};
/**
 * Says of each schema that a file declares that making it does nothing else, so that the bundler leaves out those that nobody
 * uses: the shared nouns and frames have many that only the coordinator reads, and each costs an agent one to three kilobytes.
 */
const usedSchemas = {
  name: 'used-schemas',
  setup: ({ onLoad }) =>
    onLoad({ filter: /[/\\](shared|agent)[/\\].*\.ts$/ }, ({ path }) => ({
      contents: readFileSync(path, 'utf8').replace(
        /^((?:export )?const \w+ = )(z\b[\s\S]*?);(?=\n(?! )|(?![\s\S]))/gm,
        '$1/* @__PURE__ */ (() => $2)();',
      ),
      loader: 'ts',
    })),
};
/**
 * Node's own modules by require(), when the module that wants one begins. As imports they would all be loaded at the start, also
 * for what is begun late or never, and every lazy part of theirs (webcrypto, MIME types) with them.
 */
const builtinsLate = {
  name: 'builtins-late',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /./ }, ({ path, kind, namespace }) =>
      isBuiltin(path) && kind === 'import-statement' && namespace !== 'builtin'
        ? { path, namespace: 'builtin' }
        : undefined,
    );
    // As an ES module with every name: the bundler's way with CommonJS copies all names once for each file that imports some.
    onLoad({ filter: /./, namespace: 'builtin' }, ({ path }) => ({
      contents: [
        `const builtin = require(${JSON.stringify(path)});`,
        'export default builtin;',
        ...Object.keys(require(path))
          .filter((name) => name !== 'default' && name !== 'builtin')
          .map((name) => `export const ${name} = /* @__PURE__ */ (() => builtin.${name})();`),
      ].join('\n'),
    }));
  },
};
const apart = {
  name: 'apart',
  setup: ({ onResolve }) => {
    for (const [name, path] of Object.entries(loadedLate))
      onResolve({ filter: new RegExp(`${path.split('/').at(-1)}$`) }, ({ kind }) =>
        kind === 'dynamic-import' ? { path: `./${name}.js`, external: true } : undefined,
      );
  },
};
const { 'drover-agent': agent, ...others } = programs;
const bundled = { ...common, banner: { js: requireBanner }, plugins: [oneLanguage, apart] };

const outdir = resolve(root, options.outdir);
mkdirSync(outdir, { recursive: true });
await build({ ...bundled, entryPoints: { ...present(others), ...present(libraries), ...present(loadedLate) } });
// V8 keeps a program's text in memory, and the agent's is on every host. Names stay, for stack traces.
await build({
  ...bundled,
  plugins: [...bundled.plugins, usedSchemas, builtinsLate],
  entryPoints: present({ 'drover-agent': agent }),
  minifyWhitespace: true,
  minifySyntax: true,
});
for (const name of Object.keys(present(programs))) chmodSync(join(outdir, `${name}.js`), 0o755);

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

/** Inside the project, since packages are looked for from where the text lies. */
const CACHE = fileURLToPath(new URL('../../node_modules/.cache', import.meta.url));

/**
 * `worker.ts` and all that it imports as one text of JavaScript. tsx has every function keep its name when it is made, which takes a
 * tenth of the time of histories: they make many.
 */
export async function buildWorkerProgram(): Promise<{ path: string; remove(): void }> {
  mkdirSync(CACHE, { recursive: true });
  const directory = mkdtempSync(join(CACHE, 'drover-simulation-'));
  const path = join(directory, 'worker.mjs');
  const remove = () => rmSync(directory, { recursive: true, force: true });
  try {
    await build({
      entryPoints: [fileURLToPath(new URL('./worker.ts', import.meta.url))],
      outfile: path,
      bundle: true,
      packages: 'external',
      platform: 'node',
      format: 'esm',
      target: 'node20',
      logLevel: 'error',
    });
  } catch (error) {
    remove();
    throw error;
  }
  return { path, remove };
}

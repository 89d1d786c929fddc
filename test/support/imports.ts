import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '../..');

export interface SourceFile {
  /** From the project's root, with `/`. */
  path: string;
  text: string;
  /** Of this project, as paths from the root; type-only and lazy imports included, since they are arrows too. */
  imports: { path: string; isTypeOnly: boolean; isLazy: boolean }[];
  /** Packages and Node modules. */
  packages: string[];
}

const IMPORT =
  /(?:^|\n)\s*(?:import|export)\s+(type\s+)?(?:[^'";]*?\sfrom\s+)?['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]\s*\)/g;

/** Every TypeScript file below the folders, with what it imports. */
export function readSources(folders: readonly string[]): SourceFile[] {
  return folders.flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
      .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)).replaceAll('\\', '/'))
      .sort()
      .map(readSource),
  );
}

function readSource(path: string): SourceFile {
  const text = readFileSync(join(ROOT, path), 'utf8');
  const file: SourceFile = { path, text, imports: [], packages: [] };
  for (const [, typeOnly, from, dynamic] of withoutComments(text).matchAll(IMPORT)) {
    const specifier = from ?? dynamic ?? '';
    if (specifier.startsWith('.'))
      file.imports.push({
        path: posix.join(posix.dirname(path), specifier),
        isTypeOnly: typeOnly !== undefined,
        isLazy: dynamic !== undefined,
      });
    else file.packages.push(specifier);
  }
  return file;
}

export function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|[^:'"`\\])\/\/[^\n]*/g, '$1');
}

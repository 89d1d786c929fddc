import { createHash } from 'node:crypto';
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

/** A directory for one test; `remove` goes into afterEach. */
export function temporaryDirectory(within = tmpdir()): { path: string; remove(): void } {
  const path = mkdtempSync(join(within, 'drover-test-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

/** Text is a file; `{ link }` a symlink; null an empty directory; `{ text, mode }` a file with a mode. */
export type TreeSpec = Record<string, string | null | { link: string } | { text: string; mode: number }>;

export function writeTree(root: string, spec: TreeSpec): void {
  for (const [name, what] of Object.entries(spec)) {
    const path = join(root, name);
    mkdirSync(dirname(path), { recursive: true });
    if (what === null) mkdirSync(path, { recursive: true });
    else if (typeof what === 'string') writeFileSync(path, what, { mode: 0o644 });
    else if ('link' in what) symlinkSync(what.link, path);
    else writeFileSync(path, what.text, { mode: what.mode });
  }
}

/** Kind, mode and contents of all that is below `root`, one line each; two trees are the same when these are. */
export function readTree(root: string): string[] {
  const lines: string[] = [];
  const walk = (relative: string) => {
    for (const name of readdirSync(join(root, relative)).sort()) {
      const path = relative === '' ? name : `${relative}/${name}`;
      const status = lstatSync(join(root, path));
      const mode = (status.mode & 0o7777).toString(8);
      if (status.isSymbolicLink()) lines.push(`${path} -> ${readlinkSync(join(root, path))}`);
      else if (status.isDirectory()) {
        lines.push(`${path}/ ${mode}`);
        walk(path);
      } else if (status.isFile()) lines.push(`${path} ${mode} ${brief(readFileSync(join(root, path)))}`);
      else lines.push(`${path} other`);
    }
  };
  walk('');
  return lines;
}

function brief(content: Buffer): string {
  if (content.length <= 40) return JSON.stringify(content.toString('latin1'));
  return createHash('sha256').update(content).digest('hex');
}

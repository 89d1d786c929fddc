import { spawn } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Mutant } from './catalogue.ts';
import type { FirstFailure } from './first-failure.ts';

/** What the simulator needs of the project. */
const COPIED = ['agent', 'coordinator', 'shared', 'test', 'package.json', 'tsconfig.json'];
/** A mutant that goes in circles between two steps never comes to the simulator's own bounds. */
const MAX_MS = 20 * 60_000;

/** A copy of the project in which the source may be broken. */
export interface Scratch {
  /** Plants the bug, plays seeds until one catches it, and puts the source right again. `skipped`: seeds that prove nothing. */
  play(mutant: Mutant, seeds: number, skipped: readonly number[]): Promise<FirstFailure | null>;
  remove(): void;
}

export function createScratch(root: string): Scratch {
  const directory = mkdtempSync(join(tmpdir(), 'drover-mutants-'));
  for (const name of COPIED) cpSync(join(root, name), join(directory, name), { recursive: true });
  symlinkSync(join(root, 'node_modules'), join(directory, 'node_modules'));
  return {
    async play(mutant, seeds, skipped) {
      const originals = new Map<string, string>();
      for (const { file, find, replace } of mutant.edits) {
        const path = join(directory, file);
        const text = readFileSync(path, 'utf8');
        if (!originals.has(path)) originals.set(path, text);
        // A function: `$` in the new text means itself.
        writeFileSync(
          path,
          text.replace(find, () => replace),
        );
      }
      try {
        return await firstFailure(directory, seeds, skipped);
      } finally {
        for (const [path, text] of originals) writeFileSync(path, text);
      }
    },
    remove: () => rmSync(directory, { recursive: true, force: true }),
  };
}

function firstFailure(directory: string, seeds: number, skipped: readonly number[]): Promise<FirstFailure | null> {
  return new Promise((resolve, reject) => {
    const program = 'test/simulation/mutants/first-failure.ts';
    const child = spawn(process.execPath, ['--import=tsx', program, String(seeds), skipped.join(',')], {
      cwd: directory,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let out = '';
    let complaints = '';
    child.stdout.on('data', (text) => {
      out += text;
    });
    child.stderr.on('data', (text) => {
      complaints = (complaints + text).slice(-4_000);
    });
    const patience = setTimeout(() => child.kill('SIGKILL'), MAX_MS);
    child.once('error', reject);
    child.once('close', (code, signal) => {
      clearTimeout(patience);
      if (signal === 'SIGKILL')
        resolve({ seed: seeds, invariant: 'I4', message: `nothing within ${MAX_MS / 60_000} min` });
      else if (code === 0) resolve(JSON.parse(out));
      // A process that dies is caught too: the simulator itself never does.
      else resolve({ seed: seeds, invariant: 'assertion', message: complaints.trim().split('\n').at(-1) ?? '' });
    });
  });
}

import { type ChildProcess, spawn } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { FirstFailure, Progress } from './first-failure.ts';
import type { Mutant } from './mutant.ts';

/** What the simulator needs of the project. */
const COPIED = ['agent', 'coordinator', 'shared', 'test', 'package.json', 'tsconfig.json'];
/** A history in which a mutant goes in circles between two steps never comes to the simulator's own bounds, ms. */
const MAX_SEED_MS = 10 * 60_000;

/** A copy of the project in which the source may be broken. */
export interface Scratch {
  /** Plants the bug (none: null), plays the seeds until one breaks a promise, and puts the source right again. */
  play(mutant: Mutant | null, seeds: readonly number[]): Promise<FirstFailure | null>;
  /** Also in the middle of a play. */
  remove(): void;
}

export function createScratch(root: string): Scratch {
  const directory = mkdtempSync(join(tmpdir(), 'drover-mutants-'));
  for (const name of COPIED) cpSync(join(root, name), join(directory, name), { recursive: true });
  symlinkSync(join(root, 'node_modules'), join(directory, 'node_modules'));
  let child: ChildProcess | null = null;

  function firstFailure(seeds: readonly number[]): Promise<FirstFailure | null> {
    const player = spawn(
      process.execPath,
      ['--import=tsx', 'test/simulation/mutants/first-failure.ts', seeds.join(',')],
      { cwd: directory, stdio: ['ignore', 'pipe', 'pipe'] },
    );
    child = player;
    return new Promise((resolve, reject) => {
      let seed = seeds[0] ?? 0;
      let found: FirstFailure | null = null;
      let isStuck = false;
      let complaints = '';
      const giveUp = () => {
        isStuck = true;
        player.kill('SIGKILL');
      };
      let patience = setTimeout(giveUp, MAX_SEED_MS);
      createInterface({ input: player.stdout }).on('line', (line) => {
        // Our own program speaks: what it prints has our type.
        const said = JSON.parse(line) as Progress;
        if ('found' in said) found = said.found;
        else {
          seed = said.plays;
          clearTimeout(patience);
          patience = setTimeout(giveUp, MAX_SEED_MS);
        }
      });
      player.stderr.on('data', (text) => {
        complaints = (complaints + text).slice(-4_000);
      });
      player.once('error', reject);
      player.once('close', (code) => {
        clearTimeout(patience);
        child = null;
        if (isStuck) resolve({ seed, invariant: 'I4', message: `no end within ${MAX_SEED_MS / 60_000} min` });
        else if (code === 0) resolve(found);
        // A process that dies is caught too: the simulator itself never does.
        else resolve({ seed, invariant: 'assertion', message: complaints.trim().split('\n').at(-1) ?? '' });
      });
    });
  }

  return {
    async play(mutant, seeds) {
      if (seeds.length === 0) return null;
      const originals = new Map<string, string>();
      for (const { file, find, replace } of mutant?.edits ?? []) {
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
        return await firstFailure(seeds);
      } finally {
        for (const [path, text] of originals) writeFileSync(path, text);
      }
    },
    remove() {
      child?.kill('SIGKILL');
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

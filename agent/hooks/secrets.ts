import { errnoOf, errorMessage } from '../../shared/core/errors.ts';
import type { Logger } from '../../shared/core/logger.ts';
import type { Disk } from '../host/disk.ts';
import { createMask, type Mask, secretsIn } from './mask.ts';

const MAX_FILE_BYTES = 64 * 1_024;
/** Values known at once; the oldest are forgotten, which are those of files that have changed since. */
const MAX_SECRETS = 1_000;

export interface SecretsConfig {
  /** Files that hold secrets. */
  files: readonly string[];
  /** Names of hooks' variables whose values are secrets. */
  variables: readonly string[];
}

/**
 * What must not be seen in the output of hooks. Files are read anew before each script, since secrets are changed; a value
 * that was one stays one, for output from before may still be on its way.
 */
export interface Secrets {
  readonly mask: Mask;
  /** @param environment of the script that is about to run */
  refresh(environment: Readonly<Record<string, string>>): Promise<void>;
}

export const noSecrets: Secrets = { mask: createMask([]), refresh: async () => {} };

export function createSecrets(parts: { disk: Disk; logger: Logger }, config: SecretsConfig): Secrets {
  if (config.files.length === 0 && config.variables.length === 0) return noSecrets;
  let known: string[] = [];
  let mask = createMask(known);

  function learn(found: readonly string[]): void {
    const fresh = found.filter((secret) => !known.includes(secret));
    if (fresh.length === 0) return;
    known = [...known, ...fresh].slice(-MAX_SECRETS);
    mask = createMask(known);
  }

  async function read(path: string): Promise<string[]> {
    try {
      return secretsIn((await parts.disk.readFile(path, MAX_FILE_BYTES)).toString('utf8'));
    } catch (error) {
      // A secret that is not there yet cannot be printed; of anything else somebody should know.
      if (errnoOf(error) !== 'ENOENT')
        parts.logger.error({ path, reason: errorMessage(error) }, 'file of secrets not read: they are not masked');
      return [];
    }
  }

  return {
    get mask() {
      return mask;
    },
    async refresh(environment) {
      learn(config.variables.flatMap((name) => environment[name] ?? []));
      for (const path of config.files) learn(await read(path));
    },
  };
}

/**
 * A piece of an output file with its secrets masked. Shorter than asked for where the file ends in what may become a secret,
 * as long as the output is not complete.
 */
export async function readMasked(
  parts: { disk: Disk; mask: Mask },
  path: string,
  piece: { from: number; length: number; isComplete: boolean },
): Promise<Buffer> {
  const { disk, mask } = parts;
  const { from, length } = piece;
  if (mask.isEmpty) return disk.readPart(path, from, length);
  const start = Math.max(0, from - mask.reachBytes);
  const wanted = from - start + length + mask.reachBytes;
  const bytes = await disk.readPart(path, start, wanted);
  const isAtEnd = bytes.length < wanted;
  const unfinished = isAtEnd && !piece.isComplete ? mask.unfinishedBytes(bytes) : 0;
  const end = Math.min(from - start + length, bytes.length - unfinished);
  return mask.apply(bytes).subarray(from - start, Math.max(from - start, end));
}

/** How much of a file is masked at once, bytes. */
const PIECE_BYTES = 1_024 * 1_024;

/** Masks what a script has printed, in the file itself: by another file in its place, and only when there is something to hide. */
export async function maskFile(parts: { disk: Disk; mask: Mask }, path: string, from: number): Promise<void> {
  const { disk, mask } = parts;
  if (mask.isEmpty) return;
  const size = (await disk.status(path))?.sizeBytes ?? 0;
  const pieces = async (start: number, visit: (masked: Buffer) => Promise<boolean>) => {
    for (let at = start; at < size; at += PIECE_BYTES) {
      const piece = { from: at, length: Math.min(PIECE_BYTES, size - at), isComplete: true };
      if (!(await visit(await readMasked(parts, path, piece)))) return;
    }
  };
  let hasSecrets = false;
  let at = from;
  await pieces(from, async (masked) => {
    hasSecrets = !masked.equals(await disk.readPart(path, at, masked.length));
    at += masked.length;
    return !hasSecrets;
  });
  if (!hasSecrets) return;
  const copy = `${path}.masked`;
  const file = await disk.openAppend(copy, 0o600);
  try {
    // One that died here may have left half of it.
    await file.truncate(0);
    await pieces(0, async (masked) => {
      await file.append(masked);
      return true;
    });
  } finally {
    await file.close();
  }
  await disk.rename(copy, path);
}

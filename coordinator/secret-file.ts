import { readFile } from 'node:fs/promises';
import { AppError, errorMessage } from '../shared/core/errors.ts';

/**
 * A secret that the configuration names by its file, without the line's end.
 * @throws AppError `invalid` with the key of the configuration when it cannot be read
 */
export async function readSecret(key: string, path: string): Promise<string> {
  try {
    return (await readFile(path, 'utf8')).trim();
  } catch (error) {
    throw new AppError('invalid', `${key}: cannot read ${path}: ${errorMessage(error)}`, { cause: error });
  }
}

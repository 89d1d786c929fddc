import { readFile } from 'node:fs/promises';
import { AppError, errorMessage } from '../shared/core/errors.ts';

/**
 * A secret that the configuration names by its file, without the line's end.
 * @throws AppError `invalid` with the key of the configuration when it cannot be read, or is empty
 */
export async function readSecret(key: string, path: string): Promise<string> {
  let secret: string;
  try {
    secret = (await readFile(path, 'utf8')).trim();
  } catch (error) {
    throw new AppError('invalid', `${key}: cannot read ${path}: ${errorMessage(error)}`, { cause: error });
  }
  if (secret === '') throw emptySecret(key, path);
  return secret;
}

/** What is signed with an empty secret, anybody can sign. */
export function emptySecret(key: string, path: string): AppError {
  return new AppError('invalid', `${key}: there is no secret in ${path}`);
}

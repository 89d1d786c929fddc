import { AppError, errnoOf, errorMessage } from '../core/errors.ts';

/** What Node puts in place of bytes that are no UTF-8: under such a name it finds nothing. */
const REPLACEMENT = '\ufffd';

/** Why a directory cannot be made a bundle, when the system will not give a file of it; any other error as it is. */
export function readFault(path: string, error: unknown): unknown {
  switch (errnoOf(error)) {
    case 'ENOENT':
    case 'ENOTDIR':
      if (path.includes(REPLACEMENT))
        return new AppError('invalid', `${path} has a name that is not UTF-8, which bundles cannot hold`, {
          hint: 'rename it, or remove it',
          cause: error,
        });
      return new AppError('invalid', `${path} went away while the directory was read`, {
        hint: 'try again when nothing writes to the directory',
        cause: error,
      });
    case 'EACCES':
    case 'EPERM':
    case 'EIO':
      return new AppError('invalid', `cannot read ${path}: ${errorMessage(error)}`, {
        hint: 'make it readable for you, or leave it out: add it to .droverignore',
        cause: error,
      });
    default:
      return error;
  }
}

/** @throws {@link readFault}'s */
export async function readable<T>(path: string, reading: Promise<T>): Promise<T> {
  try {
    return await reading;
  } catch (error) {
    throw readFault(path, error);
  }
}

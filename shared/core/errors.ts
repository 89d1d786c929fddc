/** The closed list of failure codes. `coordinator/http/errors.ts` maps them to HTTP, the SDK maps them back. */
export const ERROR_CODES = [
  'invalid',
  'not_found',
  'conflict',
  'unauthorized',
  'forbidden',
  'too_large',
  'rate_limited',
  'unavailable',
  'not_implemented',
  'internal',
] as const;
export type ErrorCode = (typeof ERROR_CODES)[number];

export interface AppErrorOptions {
  /** What the operator can do about it: one sentence. */
  hint?: string | undefined;
  /** Machine-readable facts, for example `{ activeDeploymentId: 'd-…' }`. Must be JSON. */
  details?: Readonly<Record<string, unknown>> | undefined;
  cause?: unknown;
}

/**
 * A failure worth telling somebody. Expected outcomes (a hook that exits 3) are values, not AppErrors.
 */
export class AppError extends Error {
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: ErrorCode, message: string, options: AppErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'AppError';
    this.code = code;
    this.hint = options.hint;
    this.details = options.details ?? {};
  }
}

export function isAppError(error: unknown, code?: ErrorCode): error is AppError {
  return error instanceof AppError && (code === undefined || error.code === code);
}

/** One line for humans from anything that was thrown. */
export function errorMessage(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Adds what was being done: `unpack bundle d-7F2: open /srv/app: EACCES`. Keeps code, hint and details. */
export function wrapError(doing: string, error: unknown): AppError {
  if (error instanceof AppError)
    return new AppError(error.code, `${doing}: ${error.message}`, {
      hint: error.hint,
      details: error.details,
      cause: error,
    });
  return new AppError('internal', `${doing}: ${errorMessage(error)}`, { cause: error });
}

/** Node's errno name (`ENOSPC`, `EACCES`, …) of a system error, or undefined. */
export function errnoOf(error: unknown): string | undefined {
  if (typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string')
    return error.code;
  return undefined;
}

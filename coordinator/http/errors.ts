import type { ProblemBody } from '../../shared/api/route.ts';
import { AppError, type ErrorCode, errorMessage } from '../../shared/core/errors.ts';

/** The one table of failures in HTTP. */
export const HTTP_STATUS: Readonly<Record<ErrorCode, number>> = {
  invalid: 400,
  unauthorized: 401,
  forbidden: 403,
  not_found: 404,
  conflict: 409,
  too_large: 413,
  rate_limited: 429,
  internal: 500,
  not_implemented: 501,
  unavailable: 503,
};

const TITLES: Readonly<Record<ErrorCode, string>> = {
  invalid: 'The request is not as it should be',
  unauthorized: 'Who are you?',
  forbidden: 'Not allowed',
  not_found: 'Not found',
  conflict: 'Not possible in the present state',
  too_large: 'Too large',
  rate_limited: 'Too many requests',
  internal: 'The coordinator failed',
  not_implemented: 'Not implemented',
  unavailable: 'Not available now',
};

/** An error as RFC 9457 tells it. What went wrong inside is for the log, which the request id finds. */
export function toProblem(error: AppError, requestId: string): ProblemBody {
  const isInternal = error.code === 'internal';
  const hint = isInternal ? "The coordinator's log has the cause under this request id." : error.hint;
  return {
    type: `urn:drover:problem:${error.code}`,
    title: TITLES[error.code],
    status: HTTP_STATUS[error.code],
    code: error.code,
    detail: isInternal ? 'the coordinator failed to answer this request' : error.message,
    ...(hint === undefined ? {} : { hint }),
    requestId,
    ...(isInternal || Object.keys(error.details).length === 0 ? {} : { details: error.details }),
  };
}

/** Anything thrown as an AppError; the HTTP framework's own errors carry a status, and SQLite's a code. */
export function toAppError(error: unknown): AppError {
  if (error instanceof AppError) return error;
  const status = statusOf(error);
  const options = { cause: error };
  // Its transaction is undone then, and the same request will do once there is room.
  if (isCoded(error) && error.code === 'SQLITE_FULL')
    return new AppError('unavailable', 'nothing was changed: the database cannot grow', {
      ...options,
      hint: "The disk of the coordinator's data directory is full.",
    });
  switch (status) {
    case 400:
      return new AppError('invalid', errorMessage(error), options);
    case 413:
      return new AppError('too_large', errorMessage(error), options);
    case 415:
      return new AppError('invalid', errorMessage(error), {
        ...options,
        hint: 'Bodies are application/json, uploads application/octet-stream.',
      });
    case 429:
      return new AppError('rate_limited', errorMessage(error), options);
    default:
      return status !== undefined && status < 500
        ? new AppError('invalid', errorMessage(error), options)
        : new AppError('internal', errorMessage(error), options);
  }
}

function isCoded(error: unknown): error is { code: unknown } {
  return typeof error === 'object' && error !== null && 'code' in error;
}

function statusOf(error: unknown): number | undefined {
  if (typeof error !== 'object' || error === null || !('statusCode' in error)) return undefined;
  return typeof error.statusCode === 'number' ? error.statusCode : undefined;
}

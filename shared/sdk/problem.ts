import { problemBody } from '../api/route.ts';
import { AppError, ERROR_CODES, type ErrorCode } from '../core/errors.ts';

const CODE_OF_STATUS: Readonly<Record<number, ErrorCode>> = {
  400: 'invalid',
  401: 'unauthorized',
  403: 'forbidden',
  404: 'not_found',
  409: 'conflict',
  413: 'too_large',
  429: 'rate_limited',
  501: 'not_implemented',
  502: 'unavailable',
  503: 'unavailable',
  504: 'unavailable',
};

/**
 * The failure that an answer with an error status tells. Code, hint and details are the coordinator's; `details.requestId`
 * finds the request in its log. An answer in another form did not come from a coordinator, and the error says so.
 * @param where the request, for example `GET https://drover.example/v1/hosts`
 */
export function problemToError(status: number, bodyText: string, where: string): AppError {
  const body = problemBody.safeParse(parseJson(bodyText));
  if (!body.success) {
    const code = CODE_OF_STATUS[status] ?? (status >= 500 ? 'unavailable' : 'invalid');
    return new AppError(
      code === 'not_found' ? 'unavailable' : code,
      `${where} answered ${status}, and not as Drover does`,
      {
        hint: 'Is this the address of the coordinator? A proxy in between may have answered.',
        details: { status },
      },
    );
  }
  const problem = body.data;
  const known = ERROR_CODES.find((code) => code === problem.code);
  return new AppError(known ?? CODE_OF_STATUS[status] ?? 'internal', problem.detail, {
    hint: problem.hint,
    details: {
      ...problem.details,
      ...(problem.requestId === undefined ? {} : { requestId: problem.requestId }),
    },
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Not JSON: the schema refuses undefined, and the caller tells what that means.
    return undefined;
  }
}

import { type Dispatcher, request } from 'undici';
import { AppError, errorMessage } from '../../shared/core/errors.ts';

export interface FetchOptions {
  /** Redirects that are followed, each checked like the first address. */
  maxRedirects: number;
  /** Silence after which a server is given up, ms. */
  idleTimeoutMs: number;
  signal: AbortSignal;
  /** Sent to the first address's own origin alone, never to where it redirects. */
  authorization?: string;
}

/**
 * The bytes behind an http or https URL, once, for a revision that is registered from there. The caller bounds their number.
 * @throws AppError `invalid` for another kind of address; `unavailable` when the server cannot be reached, does not answer
 * 200, or redirects for ever
 */
export async function fetchBundle(url: string, options: FetchOptions): Promise<AsyncIterable<Uint8Array>> {
  let current = checked(url);
  const { origin } = current;
  for (let redirects = 0; redirects <= options.maxRedirects; redirects++) {
    const { authorization, ...rest } = options;
    const isFirst = current.origin === origin && authorization !== undefined;
    const answer = await ask(current, isFirst ? { ...rest, authorization } : rest);
    const location = answer.headers['location'];
    if (answer.statusCode >= 300 && answer.statusCode < 400 && typeof location === 'string') {
      await answer.body.dump();
      current = checked(location, current);
      continue;
    }
    if (answer.statusCode === 200) return readable(answer.body, current);
    await answer.body.dump();
    throw new AppError('unavailable', `${current.origin}${current.pathname} answered ${answer.statusCode}`, {
      hint: 'The address must answer 200 with the bundle itself, without asking for a login.',
      details: { httpStatus: answer.statusCode },
    });
  }
  throw new AppError('unavailable', `${url} redirects more than ${options.maxRedirects} times`);
}

async function ask(url: URL, options: FetchOptions): Promise<Dispatcher.ResponseData> {
  try {
    return await request(url, {
      method: 'GET',
      headers: {
        accept: '*/*',
        'user-agent': 'drover-coordinator',
        ...(options.authorization === undefined ? {} : { authorization: options.authorization }),
      },
      signal: options.signal,
      headersTimeout: options.idleTimeoutMs,
      bodyTimeout: options.idleTimeoutMs,
    });
  } catch (error) {
    throw unreachable(url, error);
  }
}

async function* readable(body: AsyncIterable<Uint8Array>, url: URL): AsyncGenerator<Uint8Array> {
  try {
    yield* body;
  } catch (error) {
    throw unreachable(url, error);
  }
}

function checked(text: string, base?: URL): URL {
  let url: URL | null;
  try {
    url = new URL(text, base);
  } catch {
    // Not an address: refused below like one of another kind.
    url = null;
  }
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:'))
    throw new AppError('invalid', `${text}: bundles are fetched from http and https addresses only`);
  return url;
}

/** Credentials in an address do not belong into messages: only its origin and path are told. */
function unreachable(url: URL, cause: unknown): AppError {
  return new AppError('unavailable', `fetching ${url.origin}${url.pathname}: ${errorMessage(cause)}`, {
    cause,
    hint: 'The coordinator itself fetches the bundle: can it reach this address?',
  });
}

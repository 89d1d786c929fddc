import { AppError, errnoOf, errorMessage, isAppError } from '../core/errors.ts';

interface Explanation {
  what: string;
  hint: string;
}

const CERTIFICATE: Explanation = {
  what: "the coordinator's certificate is not signed by a known authority",
  hint: 'Give the certificate of its authority: caFile in the SDK, DROVER_CA_FILE or `drover login --ca-file` for the command.',
};
const EXPLANATIONS: Readonly<Record<string, Explanation>> = {
  ECONNREFUSED: {
    what: 'connection refused',
    hint: 'Is the coordinator running, and are address and port right?',
  },
  ENOTFOUND: { what: 'no such host name', hint: 'Check the address, and the name service.' },
  EAI_AGAIN: { what: 'the name service does not answer', hint: 'Check the network, and the name service.' },
  EHOSTUNREACH: { what: 'no route to the host', hint: 'Check the network between here and the coordinator.' },
  ENETUNREACH: { what: 'no route to the network', hint: 'Check the network between here and the coordinator.' },
  ETIMEDOUT: { what: 'no answer', hint: 'Check the network, and any firewall in between.' },
  UND_ERR_CONNECT_TIMEOUT: { what: 'no answer', hint: 'Check the network, and any firewall in between.' },
  DEPTH_ZERO_SELF_SIGNED_CERT: CERTIFICATE,
  SELF_SIGNED_CERT_IN_CHAIN: CERTIFICATE,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: CERTIFICATE,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: CERTIFICATE,
  CERT_HAS_EXPIRED: {
    what: "the coordinator's certificate has expired",
    hint: 'Renew the certificate of the coordinator (and check the clock of this machine).',
  },
  ERR_TLS_CERT_ALTNAME_INVALID: {
    what: "the coordinator's certificate is for another name",
    hint: 'Use the name that the certificate was made for, or make it anew with this name.',
  },
  EPROTO: { what: 'no TLS on the other side', hint: 'Does the coordinator speak plain HTTP there? Then use http://.' },
  ERR_SSL_WRONG_VERSION_NUMBER: {
    what: 'no TLS on the other side',
    hint: 'Does the coordinator speak plain HTTP there? Then use http://.',
  },
  ERR_SSL_PACKET_LENGTH_TOO_LONG: {
    what: 'no TLS on the other side',
    hint: 'Does the coordinator speak plain HTTP there? Then use http://.',
  },
  UND_ERR_SOCKET: {
    what: 'the connection was closed before an answer came',
    hint: 'Is it the coordinator, and does it speak TLS there? Then use https://. Otherwise try again.',
  },
  ECONNRESET: { what: 'the connection was cut', hint: 'Try again; a proxy or firewall may have cut it.' },
};

/** Is it a {@link networkError} that the right authority's certificate would mend? Each program has its own place for that. */
export function isUnknownAuthority(error: unknown): error is AppError {
  if (!isAppError(error, 'unavailable')) return false;
  const { reason } = error.details;
  return typeof reason === 'string' && EXPLANATIONS[reason] === CERTIFICATE;
}

/** A request that got no answer: AppError `unavailable`, its reason (an errno name or the like) in `details.reason`. */
export function networkError(baseUrl: string, error: unknown): AppError {
  const reason = reasonOf(error);
  const explanation = reason === undefined ? undefined : EXPLANATIONS[reason];
  return new AppError('unavailable', `cannot reach ${baseUrl}: ${explanation?.what ?? deepestMessage(error)}`, {
    hint: explanation?.hint ?? 'Is the coordinator running, and is the address right?',
    details: { reason: reason ?? 'unknown' },
    cause: error,
  });
}

/** `fetch` wraps what happened in one or two causes, and an attempt on several addresses in an AggregateError. */
function reasonOf(error: unknown): string | undefined {
  let current: unknown = error;
  let reason: string | undefined;
  for (let depth = 0; depth < 5 && current !== undefined && current !== null; depth++) {
    reason = errnoOf(current) ?? reason;
    current =
      current instanceof AggregateError ? current.errors[0] : current instanceof Error ? current.cause : undefined;
  }
  return reason;
}

function deepestMessage(error: unknown): string {
  let current = error;
  for (let depth = 0; depth < 5 && current instanceof Error && current.cause instanceof Error; depth++)
    current = current.cause;
  return errorMessage(current);
}

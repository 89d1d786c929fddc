import { errnoOf, errorMessage } from '../../../shared/core/errors.ts';
import { CommandFailure } from '../exit-codes.ts';

const NOT_PERMITTED =
  /AccessDenied|NotAuthorized|Unauthorized|UnrecognizedClient|InvalidClientTokenId|Signature|ExpiredToken|AuthFailure/;
const THROTTLED = /Thrott|TooManyRequests|RequestLimitExceeded|SlowDown/;

/** What an SDK's error means here. */
export function awsFailure(error: unknown, action: string): CommandFailure {
  if (error instanceof CommandFailure) return error;
  const name = errorName(error);
  const told = `${action}: ${name === '' || name === 'Error' ? '' : `${name}: `}${errorMessage(error)}`;
  if (name === 'CredentialsProviderError' || /credential/i.test(name))
    return new CommandFailure('not-permitted', `no AWS credentials: ${errorMessage(error)}`, {
      hint: 'Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a profile of ~/.aws with --profile.',
    });
  if (/region is missing/i.test(errorMessage(error)))
    return new CommandFailure('usage', 'no AWS region is known', {
      hint: 'Give --region, set AWS_REGION, or name a profile that has one.',
    });
  if (NOT_PERMITTED.test(name))
    return new CommandFailure('not-permitted', told, {
      hint: `The credentials must be valid for this account and region, and allowed ${action}.`,
    });
  if (THROTTLED.test(name))
    return new CommandFailure('refused', told, { hint: 'AWS throttles this account: try again in a minute.' });
  if (isNetwork(error))
    return new CommandFailure('unreachable', told, { hint: 'Check --region and --endpoint-url, and the network.' });
  return new CommandFailure('unexpected', told);
}

export function errorName(error: unknown): string {
  return error instanceof Error ? error.name : '';
}

function isNetwork(error: unknown): boolean {
  const code = errnoOf(error) ?? '';
  return /^E[A-Z_]+$/.test(code) || /Timeout|Network/.test(errorName(error));
}

import type { Role } from '../../shared/model/operator.ts';
import type { Caller } from '../auth/caller.ts';
import { bearerSecret } from '../auth/tokens.ts';

interface Parts {
  operatorTokens: { authenticate(secret: string): Promise<{ name: string; role: Role } | null> };
  sessions: { authenticate(token: string, remoteAddress: string): Caller | null };
}

/** Who sent a request, by its bearer token: an operator or a host; null for nobody we know. */
export type Authenticate = (authorization: string | undefined, remoteAddress: string) => Promise<Caller | null>;

export function createAuthenticate({ operatorTokens, sessions }: Parts): Authenticate {
  return async (authorization, remoteAddress) => {
    const secret = bearerSecret(authorization);
    if (secret === null) return null;
    const host = sessions.authenticate(secret, remoteAddress);
    if (host !== null) return host;
    const operator = await operatorTokens.authenticate(secret);
    return operator === null ? null : { kind: 'operator', ...operator, remoteAddress };
  };
}

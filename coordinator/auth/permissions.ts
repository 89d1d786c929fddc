import type { Route } from '../../shared/api/route.ts';
import { roleIncludes } from '../../shared/model/operator.ts';
import type { Caller } from './caller.ts';

export type Permission = { allowed: true } | { allowed: false; code: 'unauthorized' | 'forbidden'; message: string };

const ALLOWED: Permission = { allowed: true };

/**
 * May this caller use a route? An operator's routes ask for a role or a higher one; a host's routes are for hosts alone,
 * since they answer about the host that asks; `anybody` proves itself by what it sends, if at all.
 * @param caller null: nobody has been recognised
 */
export function mayCall(needs: Route['caller'], caller: Caller | null): Permission {
  if (needs === 'anybody') return ALLOWED;
  if (caller === null) return { allowed: false, code: 'unauthorized', message: 'this needs a token' };
  if (needs === 'host')
    return caller.kind === 'host'
      ? ALLOWED
      : { allowed: false, code: 'forbidden', message: "this is for hosts: it needs a host's own session token" };
  if (caller.kind !== 'operator')
    return { allowed: false, code: 'forbidden', message: `this is for operators with the role ${needs}` };
  if (roleIncludes(caller.role, needs)) return ALLOWED;
  return {
    allowed: false,
    code: 'forbidden',
    message: `this needs the role ${needs}; ${caller.name} is ${caller.role}`,
  };
}

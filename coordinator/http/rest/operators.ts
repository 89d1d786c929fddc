import type { operatorRoutes } from '../../../shared/api/operators.ts';
import type { Clock } from '../../../shared/core/clock.ts';
import { PROGRAM_VERSION, PROTOCOL_VERSION } from '../../../shared/protocol/versions.ts';
import type { Audit } from '../../services/audit.ts';
import type { OperatorTokens } from '../../services/operator-tokens.ts';
import type { HandlersOf } from './handler.ts';

export function operatorHandlers(services: {
  clock: Clock;
  coordinatorId: string;
  operatorTokens: OperatorTokens;
  audit: Audit;
}): HandlersOf<typeof operatorRoutes> {
  const { clock, coordinatorId, operatorTokens, audit } = services;
  return {
    whoami: async ({ caller }) => ({
      name: caller.name,
      role: caller.role,
      coordinatorId,
      coordinatorVersion: PROGRAM_VERSION,
      protocol: PROTOCOL_VERSION,
      now: clock.now(),
    }),
    listOperatorTokens: ({ query }) => operatorTokens.list(query),
    createOperatorToken: ({ body, caller }) => operatorTokens.create(body, caller),
    deleteOperatorToken: ({ params, caller }) => operatorTokens.delete(params.id, caller),
    listAudit: ({ query }) => audit.list(query),
  };
}

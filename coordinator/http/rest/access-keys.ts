import type { accessKeyRoutes } from '../../../shared/api/access-keys.ts';
import type { AccessKeys } from '../../services/access-keys.ts';
import type { HandlersOf } from './handler.ts';

export function accessKeyHandlers({ accessKeys }: { accessKeys: AccessKeys }): HandlersOf<typeof accessKeyRoutes> {
  return {
    listAccessKeys: ({ query }) => accessKeys.list(query),
    createAccessKey: ({ body, caller }) => accessKeys.create(body, caller),
    deleteAccessKey: ({ params, caller }) => accessKeys.delete(params.id, caller),
  };
}

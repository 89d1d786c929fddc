import type { triggerMessageRoutes } from '../../../shared/api/trigger-messages.ts';
import type { TriggerMessages } from '../../services/trigger-messages.ts';
import type { HandlersOf } from './handler.ts';

export function triggerMessageHandlers({
  triggerMessages,
}: {
  triggerMessages: TriggerMessages;
}): HandlersOf<typeof triggerMessageRoutes> {
  return {
    listTriggerMessages: ({ query }) => triggerMessages.list(query),
    getTriggerMessage: ({ params }) => triggerMessages.get(params.message),
    retryTriggerMessage: ({ params, caller }) => triggerMessages.retry(params.message, caller),
    retryDeadLetters: ({ body, caller }) => triggerMessages.retryDead(body, caller),
    deleteTriggerMessage: ({ params, caller }) => triggerMessages.delete(params.message, caller),
  };
}

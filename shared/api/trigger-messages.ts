import * as z from 'zod';
import { triggerMessage, triggerMessageWithBody } from '../model/trigger.ts';
import { defineRoute, noContent, page, pageQuery } from './route.ts';

const messageParams = z.strictObject({ message: z.string().min(1).max(64) });
/** Which dead letters: all of them, or those of one target. */
const deadLetters = z.strictObject({ target: z.string().min(1).max(2_048).optional() });

export const triggerMessageRoutes = {
  listTriggerMessages: defineRoute({
    method: 'GET',
    path: '/v1/trigger-messages',
    summary: 'Messages of triggers that are not delivered, the oldest first: those that wait, and dead letters.',
    caller: 'viewer',
    query: z.strictObject({ ...pageQuery, state: triggerMessage.shape.state.optional() }),
    reply: page(triggerMessage),
  }),
  getTriggerMessage: defineRoute({
    method: 'GET',
    path: '/v1/trigger-messages/:message',
    summary: 'One message that is not delivered, with what it says.',
    caller: 'viewer',
    params: messageParams,
    reply: triggerMessageWithBody,
    errors: ['not_found'],
  }),
  retryTriggerMessage: defineRoute({
    method: 'POST',
    path: '/v1/trigger-messages/:message/retry',
    summary:
      'Try a message again now: a dead letter waits again with all of its attempts, one that waits need not wait longer.',
    caller: 'deployer',
    params: messageParams,
    reply: triggerMessage,
    errors: ['not_found'],
  }),
  retryDeadLetters: defineRoute({
    method: 'POST',
    path: '/v1/trigger-messages/retry',
    summary: 'Try all dead letters again, or those of one target.',
    caller: 'deployer',
    body: deadLetters,
    reply: z.object({ retried: z.number().int() }),
  }),
  deleteTriggerMessage: defineRoute({
    method: 'DELETE',
    path: '/v1/trigger-messages/:message',
    summary: 'Drop a message: nobody will be told.',
    caller: 'deployer',
    params: messageParams,
    reply: noContent,
    status: 204,
    errors: ['not_found'],
  }),
} as const;

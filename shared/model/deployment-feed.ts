import * as z from 'zod';
import { deployment } from './deployment.ts';
import { target } from './target.ts';

/**
 * What a watcher of a deployment receives. Level, not edge: an item is the state of a thing *now*, so items between two
 * may be left out but never the last one; `sequence` only grows and is where a watcher resumes.
 */
export const feedItem = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('deployment'), sequence: z.number().int(), at: z.number().int(), deployment }),
  z.object({ kind: z.literal('target'), sequence: z.number().int(), at: z.number().int(), target }),
  /** The last item: the deployment has ended and nothing will change any more. */
  z.object({
    kind: z.literal('ended'),
    sequence: z.number().int(),
    at: z.number().int(),
    deployment,
  }),
]);
export type FeedItem = z.infer<typeof feedItem>;

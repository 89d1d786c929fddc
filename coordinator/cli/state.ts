import { join } from 'node:path';
import * as z from 'zod';
import type { CliFiles } from './world.ts';

/** What the command remembers between calls; losing it loses convenience only. */
const state = z.object({
  /** By the coordinator's address. */
  lastDeployments: z.record(z.string(), z.string()).default({}),
  /** By the coordinator's address: when a difference in versions was told last, epoch ms. */
  versionToldAt: z.record(z.string(), z.number()).default({}),
});
export type State = z.infer<typeof state>;

export async function loadState(files: CliFiles, directory: string): Promise<State> {
  const text = await files.readText(join(directory, 'state.json'));
  try {
    return state.parse(JSON.parse(text ?? '{}'));
  } catch {
    // A damaged file is as good as none, for what is in it.
    return state.parse({});
  }
}

export async function saveState(files: CliFiles, directory: string, value: State): Promise<void> {
  await files.writePrivate(join(directory, 'state.json'), `${JSON.stringify(value, null, 2)}\n`);
}

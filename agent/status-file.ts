import * as z from 'zod';
import type { Clock, Timer } from '../shared/core/clock.ts';
import { errorMessage } from '../shared/core/errors.ts';
import type { Logger } from '../shared/core/logger.ts';
import type { Disk } from './host/disk.ts';

const MAX_STATUS_BYTES = 64 * 1_024;
/** The file is written no more often than this, ms. */
const INTERVAL_MS = 1_000;

/** What a running agent says of itself, for `drover-agent status`. */
const agentStatus = z.object({
  process: z.object({ pid: z.number().int(), startTime: z.string() }).nullable(),
  version: z.string(),
  at: z.number().int(),
  connection: z.object({
    state: z.enum(['stopped', 'connecting', 'connected', 'waiting']),
    transport: z.enum(['websocket', 'long-poll']).nullable(),
    since: z.number().int(),
    reason: z.string().nullable(),
  }),
  running: z
    .object({ deploymentId: z.string(), event: z.string(), startedAt: z.number().int(), timeoutMs: z.number().int() })
    .nullable(),
  /** The journal's file may know less: that all is acknowledged is written there with whatever is written next. */
  unacknowledgedReports: z.number().int().nonnegative().optional(),
  compactions: z.number().int(),
});
export type AgentStatus = z.infer<typeof agentStatus>;

export interface StatusFile {
  changed(): void;
  stop(): Promise<void>;
}

export function createStatusFile(
  parts: { disk: Disk; clock: Clock; logger: Logger },
  path: string,
  collect: () => AgentStatus,
): StatusFile {
  let timer: Timer | null = null;
  let writing: Promise<void> = Promise.resolve();
  const write = () => {
    timer = null;
    writing = writing
      .then(() => parts.disk.writeFileDurably(path, `${JSON.stringify(collect())}\n`, 0o644))
      // It only informs; the next change writes it again.
      .catch((error: unknown) => parts.logger.warn({ path, reason: errorMessage(error) }, 'status file not written'));
  };
  return {
    changed() {
      timer ??= parts.clock.setTimer(INTERVAL_MS, write);
    },
    async stop() {
      timer?.cancel();
      write();
      await writing;
    },
  };
}

export async function readStatusFile(disk: Disk, path: string): Promise<AgentStatus | null> {
  if ((await disk.status(path)) === null) return null;
  const parsed = agentStatus.safeParse(JSON.parse((await disk.readFile(path, MAX_STATUS_BYTES)).toString('utf8')));
  return parsed.success ? parsed.data : null;
}

import type { Clock, Timer } from '../../../shared/core/clock.ts';
import type { HostCommand } from './command.ts';
import type { CommandSession, HeldPoll } from './command-session.ts';

export interface HoldPollParts {
  clock: Clock;
  holdMs: number;
  isStopped(): boolean;
  offer(session: CommandSession, poll: HeldPoll): Promise<HostCommand | null>;
}

/** Waits for a command of this host, for as long as a poll is held, and while the agent is there to hear of it. */
export async function holdPoll(
  parts: HoldPollParts,
  session: CommandSession,
  signal: AbortSignal,
): Promise<HostCommand | null> {
  // One that is still open belongs to an agent that has given it up.
  session.endPoll();
  let isWoken = false;
  let resume: (() => void) | null = null;
  const poll: HeldPoll = {
    isOver: signal.aborted || parts.isStopped(),
    wake() {
      isWoken = true;
      resume?.();
    },
  };
  session.poll = poll;
  const end = () => {
    poll.isOver = true;
    poll.wake();
  };
  signal.addEventListener('abort', end, { once: true });
  const timer: Timer = parts.clock.setTimer(parts.holdMs, end);
  try {
    for (;;) {
      isWoken = false;
      const command = await session.inTurn(() => parts.offer(session, poll));
      if (command !== null || poll.isOver) return command;
      if (!isWoken)
        await new Promise<void>((resolve) => {
          resume = resolve;
        });
      resume = null;
    }
  } finally {
    timer.cancel();
    signal.removeEventListener('abort', end);
    if (session.poll === poll) session.poll = null;
  }
}

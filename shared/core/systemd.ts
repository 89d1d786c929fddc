import type { Clock, Timer } from './clock.ts';
import { errorMessage } from './errors.ts';
import type { Logger } from './logger.ts';

/** Each notification is a process, so the watchdog is fed no more often than this, ms. */
const SHORTEST_FEED_MS = 5_000;
const TOOL_TIMEOUT_MS = 5_000;

export interface Systemd {
  ready(status: string): Promise<void>;
  stopping(): Promise<void>;
}

export interface SystemdParts {
  /** Runs a short tool to its end. */
  run(file: string, args: readonly string[], timeoutMs: number): Promise<{ exitCode: number | null; stderr: string }>;
  clock: Clock;
  logger: Logger;
  /** WATCHDOG_USEC in ms, or null when systemd asks for none. */
  watchdogMs: number | null;
}

/** For a program that systemd did not start. */
export const withoutSystemd: Systemd = { ready: async () => {}, stopping: async () => {} };

/**
 * Tells systemd how the program is, through `systemd-notify`: Node cannot send datagrams to a unix socket. The unit needs
 * `NotifyAccess=all`, since it is a child that speaks. The tool finds NOTIFY_SOCKET in its environment.
 */
export function createSystemd(parts: SystemdParts): Systemd {
  let feeding: Timer | null = null;

  async function notify(...args: string[]): Promise<void> {
    try {
      const result = await parts.run('systemd-notify', args, TOOL_TIMEOUT_MS);
      if (result.exitCode !== 0) parts.logger.warn({ args, stderr: result.stderr.trim() }, 'systemd-notify failed');
    } catch (error) {
      parts.logger.warn({ args, reason: errorMessage(error) }, 'systemd-notify failed');
    }
  }

  function feed(watchdogMs: number): void {
    feeding = parts.clock.setTimer(feedIntervalMs(watchdogMs), () => {
      void notify('WATCHDOG=1').then(() => {
        if (feeding !== null) feed(watchdogMs);
      });
    });
  }

  return {
    async ready(status) {
      await notify('--ready', `--status=${status}`);
      if (parts.watchdogMs !== null && feeding === null) feed(parts.watchdogMs);
    },
    async stopping() {
      feeding?.cancel();
      feeding = null;
      await notify('STOPPING=1');
    },
  };
}

/** From systemd's environment: WATCHDOG_USEC in ms, or null when no watchdog waits. */
export function watchdogMsOf(environment: Readonly<Record<string, string | undefined>>): number | null {
  const watchdogUs = Number(environment['WATCHDOG_USEC'] ?? 0);
  return watchdogUs > 0 ? watchdogUs / 1_000 : null;
}

/** Half of the watchdog's time, as sd_watchdog_enabled(3) advises. */
export function feedIntervalMs(watchdogMs: number): number {
  return Math.max(SHORTEST_FEED_MS, Math.floor(watchdogMs / 2));
}

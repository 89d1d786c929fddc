import { sleep } from '../../../shared/core/clock.ts';
import { isAppError } from '../../../shared/core/errors.ts';
import type { AgentUpdate } from '../../../shared/model/agent-update.ts';
import type { DroverClient } from '../../../shared/sdk/drover-client.ts';
import type { Cli } from '../cli.ts';
import { type ExitName, exitCode } from '../exit-codes.ts';
import { progressLines } from '../render/agent-update-lines.ts';

const LOOK_EVERY_MS = 1_000;

/** Follows an agent update to its end, a line for each change (with `--json`: an object), and resolves with how the command ends. */
export async function watchAgentUpdate(
  cli: Cli,
  client: DroverClient,
  id: string,
  options: { timeoutMs: number | undefined; isStopWanted?: boolean },
): Promise<ExitName> {
  const { clock } = cli.world;
  const leaving = new AbortController();
  const timer =
    options.timeoutMs === undefined
      ? undefined
      : clock.setTimer(options.timeoutMs, () => leaving.abort('watch-timed-out' satisfies ExitName));
  const stopSignals = cli.world.onInterrupt(() => leaving.abort('left' satisfies ExitName));
  const stopReader = cli.world.onReaderGone(() => leaving.abort('left' satisfies ExitName));
  let told: AgentUpdate | null = null;
  try {
    while (!leaving.signal.aborted) {
      const update = await look(client, id);
      if (update !== null) {
        tell(cli, update, told);
        told = update;
        if (update.status !== 'InProgress') return ended(cli, update, options.isStopWanted ?? false);
      }
      // Aborted: the loop ends.
      await sleep(clock, LOOK_EVERY_MS, leaving.signal).catch(() => {});
    }
  } finally {
    timer?.cancel();
    stopSignals();
    stopReader();
  }
  cli.output.complain(`Left ${id} running. See it: drover agents status ${id}. Stop it: drover agents stop ${id}`);
  // Only the two above abort, with how the command ends.
  return leaving.signal.reason as ExitName;
}

/** Null while there is no contact, or too much is asked of the coordinator: the update goes on by itself. */
async function look(client: DroverClient, id: string): Promise<AgentUpdate | null> {
  try {
    return await client.getAgentUpdate({ update: id });
  } catch (error) {
    if (isAppError(error, 'unavailable') || isAppError(error, 'rate_limited')) return null;
    throw error;
  }
}

function tell(cli: Cli, update: AgentUpdate, before: AgentUpdate | null): void {
  const { output } = cli;
  if (output.mode.isQuiet) return;
  const lines = progressLines(update, before, cli.world.clock.now());
  if (lines.length === 0) return;
  if (output.mode.isJson) output.jsonLine({ kind: update.status === 'InProgress' ? 'progress' : 'ended', update });
  else for (const line of lines) output.data(line);
}

function ended(cli: Cli, update: AgentUpdate, isStopWanted: boolean): ExitName {
  const failed = update.progress.find((wave) => wave.failed > 0);
  if (failed !== undefined)
    cli.output.note(
      `Why: drover why ${failed.deploymentId}. The old version was put back where the new one did not connect.`,
    );
  const exit = exitOf(update, isStopWanted);
  if (cli.output.mode.isJson) cli.output.jsonLine({ kind: 'exit', exit, exitCode: exitCode(exit) });
  return exit;
}

function exitOf({ status }: AgentUpdate, isStopWanted: boolean): ExitName {
  if (status === 'Failed') return 'failed';
  return status === 'Stopped' && !isStopWanted ? 'stopped' : 'done';
}

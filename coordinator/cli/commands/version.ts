import { PROGRAM_VERSION, PROTOCOL_VERSION } from '../../../shared/protocol/versions.ts';
import type { Cli } from '../cli.ts';
import type { ExitName } from '../exit-codes.ts';
import { warnOfVersion } from '../versions.ts';

const SERVER_TIMEOUT_MS = 2_000;

/** `drover --version`: this command, the coordinator where one answers, and their protocols. */
export async function printVersion(cli: Cli): Promise<ExitName> {
  const own = `${PROTOCOL_VERSION.major}.${PROTOCOL_VERSION.minor}`;
  const coordinator = await askCoordinator(cli);
  cli.output.answer({
    json: () => ({ client: { version: PROGRAM_VERSION, protocol: own }, coordinator }),
    lines: () => [
      `drover       ${PROGRAM_VERSION}  protocol ${own}`,
      coordinator === null
        ? 'coordinator  not known (not logged in, or no answer)'
        : `coordinator  ${coordinator.version}  protocol ${coordinator.protocol}`,
    ],
    ids: () => [PROGRAM_VERSION],
  });
  if (coordinator !== null) await warnOfVersion(cli, coordinator.version);
  return 'done';
}

async function askCoordinator(cli: Cli): Promise<{ version: string; protocol: string } | null> {
  try {
    const client = cli.clientOf(await cli.chosen(), { timeoutMs: SERVER_TIMEOUT_MS });
    const stop = new AbortController();
    const timer = cli.world.clock.setTimer(SERVER_TIMEOUT_MS, () => stop.abort(new Error('no answer in time')));
    const who = await client.whoami({}, { signal: stop.signal }).finally(() => timer.cancel());
    return { version: who.coordinatorVersion, protocol: `${who.protocol.major}.${who.protocol.minor}` };
  } catch {
    // The question was for this command's version; drover doctor tells what is wrong with the coordinator.
    return null;
  }
}

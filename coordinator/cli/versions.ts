import { PROGRAM_VERSION } from '../../shared/protocol/versions.ts';
import type { Cli } from './cli.ts';

const DAY_MS = 86_400_000;

/** True when two versions are more than one minor apart, or in different majors. */
export function areFarApart(own: string, other: string): boolean {
  const parse = (version: string) => /^(\d+)\.(\d+)/.exec(version)?.slice(1).map(Number);
  const [a, b] = [parse(own), parse(other)];
  if (a === undefined || b === undefined) return false;
  return a[0] !== b[0] || Math.abs((a[1] ?? 0) - (b[1] ?? 0)) > 1;
}

/** Warns once a day of a coordinator that is far from this command in version. */
export async function warnOfVersion(cli: Cli, coordinatorVersion: string): Promise<void> {
  if (!areFarApart(PROGRAM_VERSION, coordinatorVersion)) return;
  const { url } = await cli.chosen();
  const now = cli.world.clock.now();
  let isTold = false;
  await cli.updateState((state) => {
    isTold = now - (state.versionToldAt[url] ?? 0) < DAY_MS;
    return isTold ? state : { ...state, versionToldAt: { ...state.versionToldAt, [url]: now } };
  });
  if (!isTold)
    cli.output.note(
      `warning: this is drover ${PROGRAM_VERSION}, the coordinator is ${coordinatorVersion}: more than one minor version apart`,
    );
}

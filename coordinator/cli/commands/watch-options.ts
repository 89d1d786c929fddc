import type { Deployment } from '../../../shared/model/deployment.ts';
import type { DroverClient } from '../../../shared/sdk/drover-client.ts';
import type { Cli } from '../cli.ts';
import { flag, span } from '../command.ts';
import type { ExitName } from '../exit-codes.ts';
import { watchToEnd } from '../watch/watch.ts';

/** Flags of every command that begins something and watches it. */
export const watchFlags = {
  detach: flag('--detach', 'do not watch: print the id and leave', { group: 'Output' }),
  noWatch: flag('--no-watch', 'the same as --detach', { group: 'Output' }),
  timeout: span('--timeout <time>', 'stop watching after this long, for example 30m (exit 9)', { group: 'Output' }),
  targets: flag('--targets', 'with --json: a line for each change of a host', { group: 'Output' }),
} as const;

export const startFlags = {
  reason: {
    flags: '--reason <text>',
    description: 'why; kept in history (@file reads it from a file)',
    group: 'Safety',
    isRepeatable: false,
    completes: undefined,
    parse: (value: string) => value,
  },
  yes: flag('-y, --yes', 'do not ask', { group: 'Safety' }),
} as const;

/** How commands end that begin a deployment and watch it. */
export const DEPLOYMENT_EXITS: readonly ExitName[] = [
  'usage',
  'refused',
  'nothing-to-do',
  'failed',
  'failed-rolled-back',
  'stopped',
  'watch-timed-out',
  'not-found',
  'not-permitted',
  'unreachable',
  'needs-answer',
  'left',
];

interface WatchValues {
  detach?: boolean | undefined;
  noWatch?: boolean | undefined;
  timeout?: number | undefined;
  targets?: boolean | undefined;
}

/** Prints the id of a deployment that has just begun, remembers it as `last`, and watches it unless told otherwise. */
export async function announceAndWatch(
  cli: Cli,
  client: DroverClient,
  deployment: Deployment,
  options: WatchValues,
): Promise<ExitName> {
  await cli.rememberDeployment(deployment.id);
  const isDetached = options.detach === true || options.noWatch === true;
  const { output } = cli;
  if (isDetached || !output.mode.isJson)
    output.answer({
      json: () => ({ deployment }),
      lines: () => [
        `${deployment.id}  ${deployment.application}/${deployment.deploymentGroup}  ${deployment.revisionLabel}`,
      ],
      ids: () => [deployment.id],
    });
  if (isDetached) {
    output.note(`It runs. See it: drover watch ${deployment.id}. Stop it: drover stop ${deployment.id}`);
    return 'done';
  }
  return watchToEnd(cli, client, deployment.id, {
    timeoutMs: options.timeout,
    hasTargets: options.targets === true,
    isBegun: true,
  });
}

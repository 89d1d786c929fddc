import type { Cli } from '../cli.ts';
import { type CommandGroup, choice, defineCommand, flag, text, texts } from '../command.ts';
import { inContext } from '../confirmation.ts';
import { CommandFailure, type ExitName } from '../exit-codes.ts';
import type { AwsAccess } from '../import/codedeploy-source.ts';
import type { ImportItem } from '../import/import-item.ts';
import { MAX_REVISIONS, type PlannedItem } from '../import/plan.ts';
import { importLines } from '../render/import-lines.ts';
import { plural } from '../render/units.ts';

const codedeploy = defineCommand({
  name: 'codedeploy',
  summary: 'Bring applications, groups, configs and revisions over from AWS CodeDeploy',
  examples: [
    ['drover import codedeploy --dry-run', 'what would be created, and what cannot be'],
    ['drover import codedeploy --profile prod --region eu-west-1', ''],
    ['drover import codedeploy --application web --revisions all --yes', 'one of them, from a pipeline'],
  ],
  options: {
    application: texts('--application <name>', 'only this application; repeatable', { group: 'What' }),
    revisions: choice(
      '--revisions <which>',
      `none, deployed (default) or all: the newest ${MAX_REVISIONS} of each`,
      ['none', 'deployed', 'all'],
      { group: 'What' },
    ),
    profile: text('--profile <name>', 'a profile of ~/.aws (default: AWS_PROFILE, or the environment)'),
    region: text('--region <region>', 'default: AWS_REGION, AWS_DEFAULT_REGION, or of the profile'),
    endpointUrl: text('--endpoint-url <url>', "where CodeDeploy's API is, when it is not AWS's"),
    s3Profile: text('--s3-profile <name>', 'another profile for the bundles in S3'),
    s3EndpointUrl: text('--s3-endpoint-url <url>', "where S3's API is, when it is not AWS's"),
    partial: flag('--partial', 'create groups also without what cannot be carried over', { group: 'Safety' }),
    dryRun: flag('--dry-run', 'only show what would be done', { group: 'Safety' }),
    yes: flag('-y, --yes', 'do not ask', { group: 'Safety' }),
  },
  exits: ['usage', 'refused', 'nothing-to-do', 'not-found', 'not-permitted', 'unreachable', 'needs-answer', 'left'],
  seeAlso: ['groups ls', 'hosts enrol-token'],
  notes: [
    'Only reads from AWS. What is here already stays as it is, so that it can be run again: it then goes on, or says that nothing is left to do.',
    'Credentials are found as the aws command finds them. They need codedeploy:List*, Get* and BatchGet*, and s3:GetObject for bundles.',
  ],
  async run(cli, _args, options) {
    // All of it is for this command alone; so is AWS's client, which is large.
    const [{ openCodeDeploySource }, { openS3Bundles }, { planImport }, { applyImport }] = await Promise.all([
      import('../import/codedeploy-source.ts'),
      import('../import/s3-bundles.ts'),
      import('../import/plan.ts'),
      import('../import/apply.ts'),
    ]);
    const access = accessOf(cli, options);
    const client = await cli.client();
    const source = await openCodeDeploySource(access);
    const bundles = openS3Bundles({
      ...access,
      profile: options.s3Profile ?? access.profile,
      endpointUrl: options.s3EndpointUrl,
    });
    const leaving = new AbortController();
    // Before anything is created there is nothing to tidy up.
    let stopSignals = () => {};
    try {
      const plan = await planImport({
        source,
        bundles,
        client,
        options: {
          applications: options.application,
          revisions: options.revisions ?? 'deployed',
          isPartial: options.partial === true,
        },
      });
      const wanted = plan.filter((item) => item.state === 'create');
      if (options.dryRun === true || wanted.length === 0) return tell(cli, plan, options.dryRun === true);
      if (options.yes !== true && !cli.output.mode.isJson)
        for (const line of importLines(plan, cli.output.width, cli.output.style)) cli.output.note(line);
      await cli.confirm(`Create ${plural(wanted.length, 'thing')} ${inContext(await cli.chosen())}`, {
        isYes: options.yes,
      });
      stopSignals = cli.world.onInterrupt(() => leaving.abort(leftImport()));
      return tell(cli, await applyImport(cli, { plan, client, bundles, signal: leaving.signal }), false);
    } finally {
      stopSignals();
      source.close();
      bundles.close();
    }
  },
});

function leftImport(): CommandFailure {
  return new CommandFailure('left', 'left: what was created stays', { hint: 'Run it again: it goes on from there.' });
}

function accessOf(
  cli: Cli,
  options: { profile?: string | undefined; region?: string | undefined; endpointUrl?: string | undefined },
): AwsAccess {
  const { env } = cli.world;
  return {
    profile: options.profile,
    // The aws command knows this variable as well, AWS's client does not.
    region: [options.region, env['AWS_REGION'], env['AWS_DEFAULT_REGION']].find(
      (one) => one !== undefined && one !== '',
    ),
    endpointUrl: options.endpointUrl,
  };
}

function tell(cli: Cli, items: readonly PlannedItem[], isDryRun: boolean): ExitName {
  const { output } = cli;
  const told = items.map(
    ({ kind, name, state, reasons, notes }): ImportItem => ({ kind, name, state, reasons, notes }),
  );
  output.answer({
    json: () => ({ isDryRun, items: told }),
    lines: () => importLines(told, output.width, output.style),
    ids: () => told.filter((item) => item.state === 'create' || item.state === 'created').map((item) => item.name),
  });
  if (told.some((item) => item.state === 'failed')) return 'refused';
  return told.some((item) => item.state === 'create' || item.state === 'created') ? 'done' : 'nothing-to-do';
}

export const importCommands: CommandGroup = {
  name: 'import',
  summary: 'Bring what another service has over to this one',
  commands: [codedeploy],
};

import { argument, defineCommand, text, texts } from '../command.ts';
import { usageError } from '../exit-codes.ts';
import { pairsOf } from './groups.ts';

/** AWS's agent wants one. Any will do: the coordinator is where its endpoints are said to be. */
const DEFAULT_REGION = 'us-east-1';
const WHAT = { group: 'What' } as const;

export const registerCodeDeployAgent = defineCommand({
  name: 'register-codedeploy-agent',
  summary: "Register a host with AWS's CodeDeploy agent, and print the file it needs",
  examples: [['drover hosts register-codedeploy-agent web-1 --tag role=web > web-1.yml', '']],
  arguments: { host: argument('<name>', "the host's name") },
  options: {
    tag: texts('--tag <key=value>', 'a tag of the host; repeatable', WHAT),
    zone: text('--zone <name>', 'its zone', WHAT),
    scalingGroup: text('--scaling-group <name>', 'its scaling group', WHAT),
    iamArn: text('--iam-arn <arn>', 'who it is to its agent (default: made from the name)', WHAT),
    region: text('--region <name>', `its region, to its agent (default ${DEFAULT_REGION})`, WHAT),
  },
  exits: ['usage', 'not-found', 'not-permitted', 'refused', 'unreachable'],
  seeAlso: ['access-keys', 'hosts ls'],
  notes: ['docs/aws-agents.md has the whole configuration of that agent. The secret is shown once.'],
  async run(cli, { host: name }, options) {
    // That form of the file names another file with the key, which somebody has to renew.
    if (options.iamArn?.includes(':sts:') === true)
      throw usageError('--iam-arn is the ARN of a session', 'Give the ARN of an IAM user, or none at all.');
    const client = await cli.client();
    const { host, accessKeyId, secretAccessKey } = await client.registerCodeDeployHost({
      name,
      tags: pairsOf('--tag', options.tag ?? []),
      zone: options.zone ?? null,
      scalingGroup: options.scalingGroup ?? null,
      ...(options.iamArn === undefined ? {} : { iamArn: options.iamArn }),
    });
    const file = [
      '---',
      `region: ${options.region ?? DEFAULT_REGION}`,
      `iam_user_arn: ${host.iamArn}`,
      `aws_access_key_id: ${accessKeyId}`,
      `aws_secret_access_key: ${secretAccessKey}`,
    ];
    cli.output.answer({
      json: () => ({ host, accessKeyId, secretAccessKey, onPremisesFile: `${file.join('\n')}\n` }),
      lines: () => file,
      ids: () => [host.name],
    });
    cli.output.note(
      'On the host this is /etc/codedeploy-agent/conf/codedeploy.onpremises.yml; codedeployagent.yml gets',
    );
    cli.output.note(`  :deploy_control_endpoint: ${client.url}`);
    cli.output.note(`  :s3_endpoint_override: ${client.url}`);
    cli.output.note('The secret is not shown again.');
    return 'done';
  },
});

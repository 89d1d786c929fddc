import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { CodeDeploy } from '@aws-sdk/client-codedeploy';
import type { TestCoordinator } from './coordinator.ts';
import { textAt } from './coordinator.ts';

export interface AccessKeyPair {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken?: string;
}

type Caller = Pick<TestCoordinator, 'call'>;

/** An access key of an operator (default: the first admin), made as an operator would. */
export async function newAccessKey(
  coordinator: Caller,
  holder: object = { operator: 'first-operator' },
): Promise<AccessKeyPair> {
  const { status, body } = await coordinator.call('POST', '/v1/access-keys', { body: holder });
  if (status !== 201) throw new Error(`no access key: ${JSON.stringify(body)}`);
  const token = (body as { sessionToken: string | null }).sessionToken;
  return {
    accessKeyId: textAt(body, 'id'),
    secretAccessKey: textAt(body, 'secretAccessKey'),
    ...(token === null ? {} : { sessionToken: token }),
  };
}

/** An operator with a role, and its access key. */
export async function newOperatorKey(coordinator: Caller, name: string, role: string): Promise<AccessKeyPair> {
  await coordinator.call('POST', '/v1/operator-tokens', { body: { name, role } });
  return newAccessKey(coordinator, { operator: name });
}

/** AWS's own client, which fails at the first failure: a test wants to see it. */
export function codeDeployClient(url: string, credentials: AccessKeyPair): CodeDeploy {
  return new CodeDeploy({ endpoint: url, region: 'us-east-1', credentials, maxAttempts: 1 });
}

/** Debian's, of the package awscli; others have other versions. */
const AWS = '/usr/bin/aws';
export const hasAwsCli = existsSync(AWS) && spawnSync(AWS, ['--version']).status === 0;

export interface CliResult {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Runs `aws` against a coordinator with nothing of the machine's own configuration. */
export function awsCli(url: string, key: AccessKeyPair, home: string) {
  return (args: readonly string[]): Promise<CliResult> =>
    finished(
      spawn(AWS, ['--endpoint-url', url, '--region', 'us-east-1', '--output', 'json', '--no-cli-pager', ...args], {
        cwd: home,
        stdio: ['ignore', 'pipe', 'pipe'],
        env: {
          PATH: '/usr/bin:/bin',
          HOME: home,
          LANG: 'C.UTF-8',
          AWS_ACCESS_KEY_ID: key.accessKeyId,
          AWS_SECRET_ACCESS_KEY: key.secretAccessKey,
          AWS_EC2_METADATA_DISABLED: 'true',
          AWS_PAGER: '',
          AWS_MAX_ATTEMPTS: '1',
        },
      }),
    );
}

function finished(child: ChildProcess): Promise<CliResult> {
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  child.stdout?.on('data', (chunk: Buffer) => out.push(chunk));
  child.stderr?.on('data', (chunk: Buffer) => err.push(chunk));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) =>
      resolve({ code, stdout: Buffer.concat(out).toString('utf8'), stderr: Buffer.concat(err).toString('utf8') }),
    );
  });
}

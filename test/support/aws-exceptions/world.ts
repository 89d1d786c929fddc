import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import BetterSqlite3 from 'better-sqlite3';
import type { OperationName } from '../../../coordinator/http/aws/model.ts';
import { type AccessKeyPair, newAccessKey } from '../aws-tools.ts';
import { startTestCoordinator, type TestCoordinator, textAt } from '../coordinator.ts';
import { PlayedHerd } from '../played-herd.ts';
import { signedFetch } from '../signed-requests.ts';
import { type Body, ROLE, SESSION_ARN, USER_ARN } from './cases.ts';

const REQUESTS_BEFORE_THROTTLED = 3;

export interface WireAnswer {
  status: number;
  contentType: string | null;
  requestId: string | null;
  /** As it came. */
  text: string;
}

/**
 * A coordinator as an account that deploys to hosts has it: the application `app` with the group `all` (of two hosts that play
 * their deployments, and with the config `mine`) and the empty group `other`; the application `second`; two instances that were
 * registered on premises, `user-1` and `session-1`. Deployments are made when a case asks for them.
 */
export class ExceptionWorld {
  readonly key: AccessKeyPair;
  /** Of the bundle v1, in Drover's own bucket. */
  readonly revision: object;
  readonly #herd: PlayedHerd;
  readonly #gitHub: Server;
  readonly #made = new Map<string, Promise<string>>();
  #throttled: Promise<{ coordinator: TestCoordinator; key: AccessKeyPair }> | null = null;

  private constructor(parts: { herd: PlayedHerd; gitHub: Server; key: AccessKeyPair; revision: object }) {
    this.key = parts.key;
    this.revision = parts.revision;
    this.#herd = parts.herd;
    this.#gitHub = parts.gitHub;
  }

  static async start(): Promise<ExceptionWorld> {
    // A GitHub that knows nobody's token.
    const gitHub = createServer((_request, response) => response.writeHead(401).end()).listen(0, '127.0.0.1');
    await new Promise((resolve) => gitHub.once('listening', resolve));
    const { port } = gitHub.address() as AddressInfo;
    const herd = await PlayedHerd.start(
      2,
      { gitHub: { baseUrl: `http://127.0.0.1:${port}` } },
      { autoRollback: { enabled: false, events: [] } },
    );
    const { client, coordinator } = herd;
    const key = await newAccessKey(coordinator);
    const { digest } = await client.getRevision({ application: 'app', revision: 'v1' });
    const revision = {
      revisionType: 'S3',
      s3Location: { bucket: 'drover', key: `app/${digest}.tgz`, bundleType: 'tgz' },
    };
    const world = new ExceptionWorld({ herd, gitHub, key, revision });
    const furnishing: [OperationName, Body][] = [
      ['CreateApplication', { applicationName: 'second' }],
      [
        'CreateDeploymentConfig',
        { deploymentConfigName: 'mine', minimumHealthyHosts: { type: 'HOST_COUNT', value: 0 } },
      ],
      [
        'UpdateDeploymentGroup',
        { applicationName: 'app', currentDeploymentGroupName: 'all', deploymentConfigName: 'mine' },
      ],
      ['CreateDeploymentGroup', { applicationName: 'app', deploymentGroupName: 'other', serviceRoleArn: ROLE }],
      ['RegisterOnPremisesInstance', { instanceName: 'user-1', iamUserArn: USER_ARN }],
      ['RegisterOnPremisesInstance', { instanceName: 'session-1', iamSessionArn: SESSION_ARN }],
    ];
    for (const [operation, body] of furnishing) {
      const { status, text } = await world.send(operation, body);
      if (status !== 200) throw new Error(`${operation} of the world: ${status} ${text}`);
    }
    return world;
  }

  get url(): string {
    return this.#herd.coordinator.url;
  }

  /** The request as it goes over the wire, signed as AWS's tools sign. */
  send(operation: OperationName, body: Body): Promise<WireAnswer> {
    return post({ url: this.url, key: this.key }, operation, body);
  }

  /** The same, of a key that has had its requests of this minute. */
  async sendThrottled(operation: OperationName, body: Body): Promise<WireAnswer> {
    this.#throttled ??= startThrottled();
    const { coordinator, key } = await this.#throttled;
    return post({ url: coordinator.url, key }, operation, body);
  }

  /** The id of a deployment that has ended. */
  ended(): Promise<string> {
    return this.#once('ended', async () => (await this.#herd.deploy('v1')).id);
  }

  /** The id of one of the group `all` that waits for its hosts. */
  running(): Promise<string> {
    return this.#once('running', async () => {
      await this.ended();
      for (const host of this.#herd.hosts) host.holdAt = 'AfterInstall';
      const { id } = await this.#herd.create('v2');
      await this.#herd.deploymentOnce(id, 'is in progress', (one) => one.overview.InProgress > 0);
      return id;
    });
  }

  /**
   * The id of one that has not begun. The coordinator begins a deployment within milliseconds of its creation, so this one is
   * put back to what the database has of it until then.
   */
  unstarted(): Promise<string> {
    return this.#once('unstarted', async () => {
      await this.ended();
      const { id } = await this.#herd.deploy('v2');
      const database = new BetterSqlite3(join(this.#herd.coordinator.dataDirectory, 'drover.db'));
      database.prepare("UPDATE deployments SET status = 'Created' WHERE id = ?").run(id);
      database.close();
      return id;
    });
  }

  async close(): Promise<void> {
    for (const host of this.#herd.hosts) host.release();
    await this.#herd.close();
    await (await this.#throttled)?.coordinator.remove();
    await new Promise((resolve) => this.#gitHub.close(resolve));
  }

  #once(name: string, make: () => Promise<string>): Promise<string> {
    const made = this.#made.get(name) ?? make();
    this.#made.set(name, made);
    return made;
  }
}

async function startThrottled(): Promise<{ coordinator: TestCoordinator; key: AccessKeyPair }> {
  const coordinator = await startTestCoordinator({ limits: { requestsPerMinute: REQUESTS_BEFORE_THROTTLED } });
  const key = await newAccessKey(coordinator);
  for (let number = 0; number < REQUESTS_BEFORE_THROTTLED; number++) {
    const { status } = await post({ url: coordinator.url, key }, 'ListApplications', {});
    if (status !== 200) throw new Error(`request ${number + 1} of ${REQUESTS_BEFORE_THROTTLED} was answered ${status}`);
  }
  return { coordinator, key };
}

async function post(
  { url, key }: { url: string; key: AccessKeyPair },
  operation: OperationName,
  body: Body,
): Promise<WireAnswer> {
  const answer = await signedFetch({ url, ...key, service: 'codedeploy' })('POST', '/', {
    headers: { 'content-type': 'application/x-amz-json-1.1', 'x-amz-target': `CodeDeploy_20141006.${operation}` },
    body: JSON.stringify(body),
  });
  return {
    status: answer.status,
    contentType: answer.headers.get('content-type'),
    requestId: answer.headers.get('x-amzn-requestid'),
    text: await answer.text(),
  };
}

/** The exception's name in an answer. */
export function exceptionIn(answer: WireAnswer): string {
  return textAt(JSON.parse(answer.text), '__type');
}

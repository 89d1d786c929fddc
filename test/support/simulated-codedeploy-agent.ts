import { execFile } from 'node:child_process';
import { chmod, cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import forge from 'node-forge';
import { parse } from 'yaml';
import { type AccessKeyPair, signedFetch } from './signed-requests.ts';

/**
 * What AWS's CodeDeploy agent says and does, by its wire protocol: it polls, fetches the specification for every command,
 * acknowledges, carries out, completes. Commands are not awaited by the poll loop. Version 1 tells a failure twice.
 */
export interface SimulatedAgentOptions extends AccessKeyPair {
  url: string;
  hostIdentifier: string;
  /** Of the host: below it lie the agent's own files (`agent`) and the installed ones (`root`). */
  directory: string;
  prefix?: string;
  /** Milliseconds between polls. AWS's own waits a second, as it is shipped. */
  waitBetweenPollsMs?: number;
  /** Instead of scripts and files: what becomes of a command. `null` is never told. */
  scripted?: (command: Command) => Promise<Outcome | null> | Outcome | null;
  /** What the agent says of a noop; by default what is true. */
  saysNoop?: (command: Command) => boolean;
}

export interface Command {
  HostCommandIdentifier: string;
  HostIdentifier: string;
  DeploymentExecutionId: string;
  CommandName: string;
  Nonce: number;
}
export interface Outcome {
  errorCode: number;
  scriptName?: string;
  message?: string;
  log?: string;
}
export interface Exchanged {
  operation: string;
  body: Record<string, unknown>;
  status: number;
  answer: Record<string, unknown>;
}

const SUCCESS: Outcome = { errorCode: 0, message: 'Succeeded: ' };
const run = promisify(execFile);

export class SimulatedCodeDeployAgent {
  readonly exchanges: Exchanged[] = [];
  readonly errors: unknown[] = [];
  readonly #options: SimulatedAgentOptions;
  readonly #signed: ReturnType<typeof signedFetch>;
  readonly #running = new Set<Promise<void>>();
  #stopping = new AbortController();
  #loop: Promise<void> | null = null;

  constructor(options: SimulatedAgentOptions) {
    this.#options = options;
    this.#signed = signedFetch({ ...options, service: 'codedeploy-commands' });
  }

  start(): void {
    this.#stopping = new AbortController();
    this.#loop = this.#poll();
  }

  /** As `kill -9`: nothing more is said. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#loop;
    await Promise.all(this.#running);
  }

  /** One request, as the agent's SDK sends it. */
  async call(operation: string, body: Record<string, unknown>): Promise<Exchanged> {
    const prefix = this.#options.prefix ?? 'CodeDeployCommandService_v20141006';
    const response = await this.#signed('POST', '/', {
      headers: {
        'content-type': 'application/x-amz-json-1.1',
        'x-amz-target': `${prefix}.${operation}`,
        'x-amz-codedeploy-agent-version': 'OFFICIAL_1.8.1-0_deb',
      },
      body: JSON.stringify(body),
      // One of its own for each: thousands of requests on one signal are told as a leak.
      signal: AbortSignal.any([this.#stopping.signal]),
    });
    const answer = (await response.json()) as Record<string, unknown>;
    const exchanged = { operation, body, status: response.status, answer };
    this.exchanges.push(exchanged);
    return exchanged;
  }

  async pollOnce(): Promise<Command | null> {
    const { answer, status } = await this.call('PollHostCommand', { HostIdentifier: this.#options.hostIdentifier });
    if (status !== 200) throw new Error(`poll: ${JSON.stringify(answer)}`);
    return (answer.HostCommand as Command | undefined) ?? null;
  }

  async acknowledge(command: Command, isNoop: boolean): Promise<unknown> {
    const { answer } = await this.call('PutHostCommandAcknowledgement', {
      HostCommandIdentifier: command.HostCommandIdentifier,
      Diagnostics: { Format: 'JSON', Payload: JSON.stringify({ IsCommandNoop: isNoop }) },
    });
    return answer.CommandStatus;
  }

  complete(command: Command, outcome: Outcome): Promise<Exchanged> {
    const { errorCode, scriptName = '', message = '', log = '' } = outcome;
    return this.call('PutHostCommandComplete', {
      HostCommandIdentifier: command.HostCommandIdentifier,
      CommandStatus: errorCode === 0 ? 'Succeeded' : 'Failed',
      Diagnostics: {
        Format: 'JSON',
        Payload: JSON.stringify({ error_code: errorCode, script_name: scriptName, message, log }),
      },
    });
  }

  async specification(command: Command): Promise<Specification> {
    const { answer, status } = await this.call('GetDeploymentSpecification', {
      DeploymentExecutionId: command.DeploymentExecutionId,
      HostIdentifier: this.#options.hostIdentifier,
    });
    if (status !== 200) throw new Error(`specification: ${JSON.stringify(answer)}`);
    if (answer.DeploymentSystem !== 'CodeDeploy') throw new Error('Deployment System mismatch');
    const { GenericEnvelope } = answer.DeploymentSpecification as { GenericEnvelope: Envelope };
    if (GenericEnvelope.Format !== 'PKCS7/JSON') throw new Error('Unsupported DeploymentSpecification format');
    return JSON.parse(signedContent(GenericEnvelope.Payload));
  }

  async #poll(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        const command = await this.pollOnce();
        if (command !== null) this.#inBackground(command);
        await delay(this.#options.waitBetweenPollsMs ?? 0, signal);
      } catch (error) {
        if (signal.aborted) return;
        this.errors.push(error);
        await delay(50, signal);
      }
    }
  }

  #inBackground(command: Command): void {
    const done = this.#process(command).catch((error) => {
      if (!this.#stopping.signal.aborted) this.errors.push(error);
    });
    this.#running.add(done);
    void done.then(() => this.#running.delete(done));
  }

  async #process(command: Command): Promise<void> {
    // The agent's own check: what it is told has to be a part of who it is.
    if (!this.#options.hostIdentifier.includes(command.HostIdentifier)) throw new Error('a command for another host');
    const specification = await this.specification(command);
    const isNoop = this.#options.saysNoop?.(command) ?? (await this.#isNoop(specification, command.CommandName));
    const status = await this.acknowledge(command, isNoop);
    if (status === 'Succeeded') return;
    if (status === 'Failed') {
      if (isNoop) await this.complete(command, { errorCode: 0, message: 'Succeeded: CompletedNoopCommand' });
      return;
    }
    const outcome = await this.#carryOut(specification, command);
    if (outcome === null) return;
    await this.complete(command, outcome);
    if (outcome.errorCode !== 0) await this.complete(command, { errorCode: 5, message: outcome.message ?? '' });
  }

  async #isNoop(specification: Specification, event: string): Promise<boolean> {
    if (event === 'DownloadBundle' || event === 'Install' || this.#options.scripted !== undefined) return false;
    const archive = await this.#archiveOf(specification, event);
    return archive === null || (await hooksOf(archive, event)).length === 0;
  }

  async #carryOut(specification: Specification, command: Command): Promise<Outcome | null> {
    const { scripted } = this.#options;
    if (scripted !== undefined) return scripted(command);
    try {
      const event = command.CommandName;
      if (event === 'DownloadBundle') await this.#download(specification);
      else if (event === 'Install') await this.#install(specification);
      else return await this.#runHooks(specification, event);
      return SUCCESS;
    } catch (error) {
      return { errorCode: 5, message: String(error) };
    }
  }

  async #download(specification: Specification): Promise<void> {
    const { Bucket, Key, ETag, BundleType } = specification.Revision.S3Revision;
    const get = signedFetch({ ...this.#options, service: 's3' });
    const path = `/${Bucket}/${Key.split('/').map(encodeURIComponent).join('/')}`;
    const response = await get('GET', path, { signal: this.#stopping.signal });
    if (!response.ok) throw new Error(`download: ${response.status} ${await response.text()}`);
    const etag = response.headers.get('etag')?.replaceAll('"', '');
    if (etag !== ETag) throw new Error(`Expected deployment artifact bundle etag ${ETag} but was actually ${etag}`);
    const directory = this.#directoryOf(specification);
    const archive = join(directory, 'deployment-archive');
    await rm(archive, { recursive: true, force: true });
    await mkdir(archive, { recursive: true });
    await writeFile(join(directory, 'bundle.tar'), Buffer.from(await response.arrayBuffer()));
    if (BundleType === 'zip') await run('unzip', ['-qo', join(directory, 'bundle.tar'), '-d', archive]);
    else await run('tar', [BundleType === 'tgz' ? '-zxpsf' : '-xpsf', join(directory, 'bundle.tar'), '-C', archive]);
  }

  async #install(specification: Specification): Promise<void> {
    const archive = join(this.#directoryOf(specification), 'deployment-archive');
    const { files = [] } = await appSpecOf(archive);
    for (const { source, destination } of files) {
      const target = join(this.#options.directory, 'root', destination);
      await mkdir(target, { recursive: true });
      await cp(join(archive, source), join(target, basename(source)), { recursive: true });
    }
    await writeFile(this.#markerOf(specification), this.#directoryOf(specification));
  }

  async #runHooks(specification: Specification, event: string): Promise<Outcome> {
    const archive = await this.#archiveOf(specification, event);
    for (const { location } of archive === null ? [] : await hooksOf(archive, event)) {
      const script = join(archive ?? '', location);
      await chmod(script, 0o755);
      try {
        await run(script, [], {
          cwd: '/',
          env: {
            ...process.env,
            LIFECYCLE_EVENT: event,
            DEPLOYMENT_ID: specification.DeploymentId,
            APPLICATION_NAME: specification.ApplicationName,
            DEPLOYMENT_GROUP_NAME: specification.DeploymentGroupName,
            DEPLOYMENT_GROUP_ID: specification.DeploymentGroupId,
            HOST_ROOT: join(this.#options.directory, 'root'),
          },
        });
      } catch (error) {
        const { code, stdout = '' } = error as { code?: number; stdout?: string };
        const message = `Script at specified location: ${location} failed with exit code ${code}`;
        const log = stdout
          .split('\n')
          .filter(Boolean)
          .map((line) => `[stdout]${line}\n`);
        return { errorCode: 4, scriptName: location, message, log: log.join('') };
      }
    }
    return SUCCESS;
  }

  /** ApplicationStop is the business of what was installed last; nothing is, before the first deployment. */
  async #archiveOf(specification: Specification, event: string): Promise<string | null> {
    if (event !== 'ApplicationStop') return join(this.#directoryOf(specification), 'deployment-archive');
    const last = await readFile(this.#markerOf(specification), 'utf8').catch(() => null);
    return last === null ? null : join(last, 'deployment-archive');
  }

  #directoryOf({ DeploymentGroupId, DeploymentId }: Specification): string {
    return join(this.#options.directory, 'agent', DeploymentGroupId, DeploymentId);
  }

  #markerOf(specification: Specification): string {
    return join(dirname(this.#directoryOf(specification)), 'last_successful_install');
  }
}

interface Envelope {
  Format: string;
  Payload: string;
}
export interface Specification {
  DeploymentId: string;
  DeploymentGroupId: string;
  DeploymentGroupName: string;
  ApplicationName: string;
  Revision: { S3Revision: { Bucket: string; Key: string; BundleType: string; ETag: string } };
}

const contents = new Map<string, string>();

/** What was signed. That the signature fits is another test's business, with openssl. */
function signedContent(pem: string): string {
  const known = contents.get(pem);
  if (known !== undefined) return known;
  const message = forge.pkcs7.messageFromPem(pem) as unknown as {
    rawCapture: { content: { value: { value: string }[] } };
  };
  const text = forge.util.decodeUtf8(message.rawCapture.content.value[0]?.value ?? '');
  contents.set(pem, text);
  return text;
}

interface AppSpec {
  files?: { source: string; destination: string }[];
  hooks?: Record<string, { location: string }[] | null>;
}

async function appSpecOf(archive: string): Promise<AppSpec> {
  return parse(await readFile(join(archive, 'appspec.yml'), 'utf8'));
}

async function hooksOf(archive: string, event: string): Promise<{ location: string }[]> {
  return (await appSpecOf(archive)).hooks?.[event] ?? [];
}

function delay(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, ms);
    function done() {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    }
    signal.addEventListener('abort', done);
  });
}

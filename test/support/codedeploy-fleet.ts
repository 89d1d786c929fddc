import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Deployment } from '../../shared/model/deployment.ts';
import { DroverClient } from '../../shared/sdk/drover-client.ts';
import type { TestBundle } from './agent-process.ts';
import { until } from './real-herd.ts';
import { type SimulatedAgentOptions, SimulatedCodeDeployAgent } from './simulated-codedeploy-agent.ts';

export interface FleetHost {
  name: string;
  directory: string;
  agent: SimulatedCodeDeployAgent;
  accessKeyId: string;
  secretAccessKey: string;
  iamArn: string;
}

type AgentOptions = Partial<Pick<SimulatedAgentOptions, 'scripted' | 'saysNoop' | 'prefix' | 'waitBetweenPollsMs'>>;

/** Hosts with simulated AWS agents at a coordinator, and an application `app` with the group `web` (role=web) for them. */
export class CodeDeployFleet {
  readonly url: string;
  readonly client: DroverClient;
  readonly directory = mkdtempSync(join(tmpdir(), 'drover-codedeploy-'));
  readonly hosts: FleetHost[] = [];
  #revisions = 0;

  constructor(url: string, token: string) {
    this.url = url;
    this.client = new DroverClient({ url, token });
  }

  async createGroup(config = 'CodeDeployDefault.AllAtOnce', settings: object = {}): Promise<void> {
    await this.client.createApplication({ name: 'app' });
    await this.client.createDeploymentGroup({
      application: 'app',
      name: 'web',
      selection: { tagFilters: [{ type: 'KEY_AND_VALUE', key: 'role', value: 'web' }] },
      deploymentConfigName: config,
      ...settings,
    });
  }

  /** @param url of the coordinator, when it has moved */
  async addHost(name: string, options: AgentOptions = {}): Promise<FleetHost> {
    const { host, accessKeyId, secretAccessKey } = await this.client.registerCodeDeployHost({
      name,
      tags: { role: 'web' },
    });
    const directory = join(this.directory, name);
    mkdirSync(join(directory, 'root'), { recursive: true });
    const known = { name, directory, accessKeyId, secretAccessKey, iamArn: host.iamArn ?? '' };
    const made = { ...known, agent: this.agentOf(known, options) };
    this.hosts.push(made);
    return made;
  }

  agentOf(host: Omit<FleetHost, 'agent'>, options: AgentOptions = {}, url = this.url): SimulatedCodeDeployAgent {
    const { directory, accessKeyId, secretAccessKey, iamArn } = host;
    return new SimulatedCodeDeployAgent({
      url,
      directory,
      accessKeyId,
      secretAccessKey,
      hostIdentifier: iamArn,
      ...options,
    });
  }

  async online(name: string): Promise<void> {
    await until(
      `${name} is online`,
      10_000,
      async () => (await this.client.getHost({ host: name })).presence === 'Online',
    );
  }

  async push(bundle: TestBundle): Promise<string> {
    this.#revisions++;
    const label = `1.0.${this.#revisions}`;
    const { digest, bundleType } = bundle;
    const stream = new Blob([new Uint8Array(bundle.bytes)]).stream();
    await this.client.uploadBundle({ application: 'app', label, digest, bundleType, from: { stream } });
    return label;
  }

  async deploy(revision: string, options: object = {}): Promise<string> {
    const made = await this.client.createDeployment({
      application: 'app',
      deploymentGroup: 'web',
      revision,
      ...options,
    });
    return made.id;
  }

  async ended(deploymentId: string): Promise<Deployment> {
    let last: Deployment | null = null;
    await until(`${deploymentId} has ended`, 30_000, async () => {
      last = await this.client.getDeployment({ deployment: deploymentId });
      return last.completedAt !== null;
    });
    if (last === null) throw new Error('it was looked at');
    return last;
  }

  /** `Event status` of a host's part, in order. */
  async events(deploymentId: string, host: string): Promise<string[]> {
    const target = await this.client.getTarget({ deployment: deploymentId, host });
    return target.lifecycleEvents.map((event) => `${event.name} ${event.status}`);
  }

  installed(host: Pick<FleetHost, 'directory'>, path: string): string {
    return readFileSync(join(host.directory, 'root', path), 'utf8');
  }

  async close(): Promise<void> {
    await Promise.all(this.hosts.map((host) => host.agent.stop()));
    rmSync(this.directory, { recursive: true, force: true });
  }
}

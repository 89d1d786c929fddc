import { createHash } from 'node:crypto';
import { type Deployment, DroverClient, isTerminal, type Target } from '../../shared/sdk/drover-client.ts';
import type { ConfigText, TestCoordinator } from './coordinator.ts';
import { startTestCoordinator } from './coordinator.ts';
import { PlayedHost } from './played-host.ts';
import { until } from './real-herd.ts';

const WAIT_MS = 30_000;
export const GROUP = { application: 'app', deploymentGroup: 'all' } as const;
const ALL_AT_ONCE = 'CodeDeployDefault.AllAtOnce';

/** A real coordinator, one application with revisions v1 to v4, one group of all hosts with the tag role=web. */
export class PlayedHerd {
  readonly coordinator: TestCoordinator;
  readonly hosts: PlayedHost[] = [];
  #client: DroverClient;

  private constructor(coordinator: TestCoordinator) {
    this.coordinator = coordinator;
    this.#client = clientOf(coordinator);
  }

  /** @param settings the coordinator's; @param group the deployment group's, beside name and selection */
  static async start(hostCount: number, settings: ConfigText = {}, group: object = {}): Promise<PlayedHerd> {
    const herd = new PlayedHerd(await startTestCoordinator(settings));
    await herd.client.createApplication({ name: 'app' });
    await herd.client.createDeploymentGroup({
      application: 'app',
      name: 'all',
      selection: { tagFilters: [{ type: 'KEY_AND_VALUE', key: 'role', value: 'web' }] },
      ...group,
    });
    for (const label of ['v1', 'v2', 'v3', 'v4']) await herd.addRevision(label);
    for (let number = 1; number <= hostCount; number++) await herd.addHost(`web-${number}`);
    return herd;
  }

  get client(): DroverClient {
    return this.#client;
  }

  /** Whose contents are its label: played hosts do not unpack. */
  async addRevision(label: string): Promise<void> {
    const bytes = Buffer.from(`bundle ${label}`);
    await this.client.uploadBundle({
      application: 'app',
      from: { stream: new Blob([Uint8Array.from(bytes)]).stream(), sizeBytes: bytes.byteLength },
      digest: createHash('sha256').update(bytes).digest('hex'),
      bundleType: 'tgz',
      label,
    });
  }

  async addHost(name: string, token?: object): Promise<PlayedHost> {
    const host = await PlayedHost.enrol(this.coordinator, name, token);
    this.hosts.push(host);
    await host.connect();
    await this.online(name);
    return host;
  }

  host(name: string): PlayedHost {
    const found = this.hosts.find((host) => host.name === name);
    if (found === undefined) throw new Error(`no host ${name}`);
    return found;
  }

  /** Welcome and known to be: a deployment that is created earlier fails the host as offline. */
  online(name: string): Promise<void> {
    return until(`${name} is online`, WAIT_MS, async () => {
      return (await this.client.getHost({ host: name })).presence === 'Online';
    });
  }

  create(revision: string, options: object = {}): Promise<Deployment> {
    return this.client.createDeployment({ ...GROUP, revision, deploymentConfigName: ALL_AT_ONCE, ...options });
  }

  async deploy(revision: string, options: object = {}): Promise<Deployment> {
    return this.ended((await this.create(revision, options)).id);
  }

  async ended(id: string): Promise<Deployment> {
    return this.deploymentOnce(id, 'has ended', (deployment) => isTerminal(deployment.status));
  }

  async deploymentOnce(id: string, what: string, condition: (d: Deployment) => boolean): Promise<Deployment> {
    let deployment = await this.client.getDeployment({ deployment: id });
    await until(`${id} ${what}`, WAIT_MS, async () => {
      deployment = await this.client.getDeployment({ deployment: id });
      return condition(deployment);
    });
    return deployment;
  }

  /** The deployments of a creator, the newest first, once there are so many and they have ended. */
  async allEnded(creator: Deployment['creator'], count: number): Promise<Deployment[]> {
    let items: Deployment[] = [];
    await until(`${count} deployments of ${creator} have ended`, WAIT_MS, async () => {
      items = (await this.client.listDeployments({ creator, limit: 500 })).items;
      return items.length >= count && items.every((deployment) => isTerminal(deployment.status));
    });
    return items;
  }

  /** `web-1 Succeeded`, by name. */
  async targets(id: string): Promise<Record<string, Target['status']>> {
    const { items } = await this.client.listTargets({ deployment: id, limit: 500 });
    return Object.fromEntries(items.map((target) => [target.hostName, target.status]));
  }

  /** The revision that each host of the group runs, as the history says. */
  async revisions(): Promise<Record<string, string | null>> {
    const { items } = await this.client.listGroupHosts({ application: 'app', group: 'all', limit: 500 });
    return Object.fromEntries(items.map((host) => [host.hostName, host.revisionLabel]));
  }

  /** Stops it in good order and starts the next on the same data. Hosts have to connect again. */
  async restartCoordinator(): Promise<void> {
    await this.coordinator.restart();
    this.#client = clientOf(this.coordinator);
  }

  async close(): Promise<void> {
    await Promise.all(this.hosts.map((host) => host.disconnect()));
    await this.coordinator.remove();
  }
}

function clientOf(coordinator: TestCoordinator): DroverClient {
  return new DroverClient({ url: coordinator.url, token: coordinator.adminToken });
}

import type { Deployment } from '../../shared/model/deployment.ts';
import type { Target } from '../../shared/model/target.ts';
import { aDeployment, aFailedTarget, aGroup, aGroupHost, aRevision, aTarget } from './api-samples.ts';
import type { FakeApi, FakeFeed } from './fake-api.ts';

/** `web/prod` with five hosts on a fake API, and one deployment whose course a test tells. */
export class FakeHerd {
  readonly api: FakeApi;
  readonly feed: FakeFeed;
  deployment: Deployment;
  readonly #targets: Map<string, Target>;
  #sequence = 0;

  constructor(
    api: FakeApi,
    fields: Partial<Deployment> = {},
    names: readonly string[] = ['api-1', 'api-2', 'api-3', 'api-4', 'api-5'],
  ) {
    this.api = api;
    this.deployment = aDeployment({
      createdAt: Date.now() - 60_000,
      startedAt: Date.now() - 60_000,
      totalHosts: names.length,
      ...fields,
    });
    const { id } = this.deployment;
    this.#targets = new Map(names.map((name) => [name, aTarget(name, { deploymentId: id })]));
    this.feed = api.feed(id);
    const page = (items: unknown[]) => ({ items, nextCursor: null });
    if (id === aDeployment().id) {
      api.on('GET /v1/applications/:application/deployment-groups/:group', aGroup());
      api.on(
        'GET /v1/applications/:application/deployment-groups/:group/hosts',
        page(names.map((name) => aGroupHost(name))),
      );
      api.on('GET /v1/applications/:application/revisions/:revision', aRevision());
      api.on('GET /v1/deployment-configs/:config', {
        name: 'CodeDeployDefault.OneAtATime',
        minimumHealthyHosts: { type: 'MOST_CONCURRENCY', value: 1 },
        isPredefined: true,
        createdAt: 0,
      });
      api.on('GET /v1/deployments', () => ({ body: page([this.deployment]) }));
      api.on('POST /v1/deployments', () => ({ status: 201, body: this.deployment }));
      api.on('GET /v1/applications/:application/deployment-groups/:group/rollback', {
        revision: aRevision({ id: 'r-aaaaaaaaaaaa', label: '1.8.2' }),
      });
      api.on('POST /v1/applications/:application/deployment-groups/:group/rollback', () => ({
        status: 201,
        body: this.deployment,
      }));
    }
    api.on(`GET /v1/deployments/${id}`, () => ({ body: this.deployment }));
    api.on(`GET /v1/deployments/${id}/targets`, () => ({ body: page([...this.#targets.values()]) }));
  }

  /** The host's script runs. */
  start(name: string): this {
    return this.#put(aTarget(name, { status: 'InProgress', lifecycleEvent: 'AfterInstall', startedAt: Date.now() }));
  }

  succeed(name: string): this {
    const now = Date.now();
    return this.#put(
      aTarget(name, {
        status: 'Succeeded',
        lifecycleEvent: 'ValidateService',
        startedAt: now - 1_000,
        completedAt: now,
      }),
    );
  }

  fail(name: string): this {
    const now = Date.now();
    return this.#put(aFailedTarget(name, { startedAt: now - 1_000, completedAt: now }));
  }

  end(status: 'Succeeded' | 'Failed' | 'Stopped', fields: Partial<Deployment> = {}): this {
    const overview = { Pending: 0, InProgress: 0, Succeeded: 0, Failed: 0, Skipped: 0 };
    for (const target of this.#targets.values()) overview[target.status === 'Pending' ? 'Skipped' : target.status]++;
    this.deployment = { ...this.deployment, status, overview, completedAt: Date.now(), ...fields };
    const { deployment } = this;
    // The same sequence twice, as the coordinator's feed has it.
    const sequence = ++this.#sequence;
    this.feed.push({ kind: 'deployment', sequence, at: Date.now(), deployment });
    this.feed.push({ kind: 'ended', sequence, at: Date.now(), deployment });
    return this;
  }

  #put(target: Target): this {
    const mine = { ...target, deploymentId: this.deployment.id };
    this.#targets.set(target.hostName, mine);
    this.feed.push({ kind: 'target', sequence: ++this.#sequence, at: Date.now(), target: mine });
    return this;
  }
}

import type { Caller } from '../../coordinator/auth/caller.ts';
import { type Core, createCore } from '../../coordinator/core.ts';
import type { RevisionStore } from '../../coordinator/revision-stores/revision-store.ts';
import type {
  CommandOutcome,
  CommandStatus,
  Contact,
  HostCommand,
} from '../../coordinator/services/command-hosts/command.ts';
import type { CommandHosts } from '../../coordinator/services/command-hosts/command-hosts.ts';
import type { Database } from '../../coordinator/storage/database.ts';
import { openSqlite } from '../../coordinator/storage/sqlite.ts';
import { deploymentGroupRoutes } from '../../shared/api/deployment-groups.ts';
import { createDeploymentBody } from '../../shared/api/deployments.ts';
import type { Clock } from '../../shared/core/clock.ts';
import { type Logger, silentLogger } from '../../shared/core/logger.ts';
import type { Randomness } from '../../shared/core/randomness.ts';
import type { Deployment } from '../../shared/model/deployment.ts';
import type { Host } from '../../shared/model/host.ts';
import type { TargetWithEvents } from '../../shared/model/target.ts';
import { testConfig } from './coordinator.ts';
import { createFakeClock, type FakeClock } from './fake-clock.ts';
import { seededRandomness } from './fake-randomness.ts';

const ADMIN: Caller = { kind: 'operator', name: 'ann', role: 'admin', remoteAddress: '127.0.0.1' };
/** A fake clock moves in steps of this, so that commit windows pass one after the other. */
const STEP_MS = 1;

export interface PollUnderTest {
  readonly answer: Promise<HostCommand | null>;
  /** Undefined while it is held. */
  settled(): HostCommand | null | undefined;
  abort(): void;
}

/** What one coordinator process runs on. */
export interface Ground {
  database: Database;
  clock: Clock;
  logger: Logger;
}

/** A host with AWS's agent, played request by request. */
export interface CommandHost {
  id: string;
  name: string;
  accessKeyId: string;
  contact: Contact;
  poll(): PollUnderTest;
  /** Polls, and expects a command at once. */
  take(): Promise<HostCommand>;
  acknowledge(command: Pick<HostCommand, 'id'>, isNoop?: boolean): Promise<CommandStatus>;
  complete(command: Pick<HostCommand, 'id'>, outcome?: Partial<CommandOutcome>): Promise<void>;
  /** From its poll to its completion. */
  carryOut(outcome?: Partial<CommandOutcome>): Promise<HostCommand>;
}

/**
 * The whole coordinator but its sockets and files, on a clock that moves only when told and a database in memory, with hosts
 * whose AWS agents are played. Group `web` of `app` has the hosts with role=web.
 */
export class CommandWorld {
  readonly clock: FakeClock;
  readonly database: Database;
  core: Core;
  readonly #startCore: () => Promise<Core>;

  private constructor(clock: FakeClock, database: Database, core: Core, startCore: () => Promise<Core>) {
    this.clock = clock;
    this.database = database;
    this.core = core;
    this.#startCore = startCore;
  }

  /** @param options.ground makes one for each coordinator process that starts; by default they share the world's own */
  static async start(
    options: {
      clock?: FakeClock;
      randomness?: Randomness;
      group?: object;
      database?: Database;
      ground?: () => Ground;
    } = {},
  ) {
    const clock = options.clock ?? createFakeClock();
    const randomness = options.randomness ?? seededRandomness(11);
    const database = options.database ?? openSqlite(':memory:');
    await database.migrate();
    const ground = options.ground ?? (() => ({ database, clock, logger: silentLogger }));
    const startNext = () => startCore(ground(), randomness);
    const core = await startNext();
    const world = new CommandWorld(clock, database, core, startNext);
    await world.until(core.services.applications.create({ name: 'app', description: '' }, ADMIN));
    await world.until(
      core.services.deploymentGroups.create(
        { application: 'app' },
        deploymentGroupRoutes.createDeploymentGroup.body.parse({
          name: 'web',
          selection: { tagFilters: [{ type: 'KEY_AND_VALUE', key: 'role', value: 'web' }] },
          deploymentConfigName: 'CodeDeployDefault.AllAtOnce',
          autoRollback: { enabled: false, events: [] },
          ...options.group,
        }),
        ADMIN,
      ),
    );
    return world;
  }

  get commandHosts(): CommandHosts {
    return this.core.commandHosts;
  }

  /** Lets time pass until the promise has settled: some milliseconds, and then at most `laterMs` at once. */
  async until<T>(promise: Promise<T>, laterMs = 0): Promise<T> {
    let isSettled = false;
    const settled = promise.finally(() => (isSettled = true));
    settled.catch(() => undefined);
    for (let steps = 0; !isSettled; steps++) {
      if (steps > 500) throw new Error('it does not settle');
      await this.clock.advance(steps === 100 && laterMs > 0 ? laterMs : STEP_MS);
    }
    return settled;
  }

  /** Some milliseconds: enough for commits, decisions and presence. */
  async settle(): Promise<void> {
    await this.clock.advance(30);
  }

  async addHost(name: string, tags: Record<string, string> = { role: 'web' }, iamArn?: string): Promise<CommandHost> {
    const registration = this.core.services.commandHostRegistration;
    const body = { name, tags, zone: null, scalingGroup: null, ...(iamArn === undefined ? {} : { iamArn }) };
    const { host, accessKeyId } = await this.until(registration.register(body, ADMIN));
    const contact: Contact = { hostId: host.id, agentVersion: 'OFFICIAL_1.8.1', clockOffsetMs: 0 };
    const made: CommandHost = {
      id: host.id,
      name,
      accessKeyId,
      contact,
      poll: () => startPoll(this.commandHosts, contact),
      take: async () => {
        const poll = made.poll();
        await this.settle();
        const command = poll.settled();
        if (command === undefined || command === null) throw new Error(`there is no command for ${name}`);
        return command;
      },
      acknowledge: (command, isNoop = false) => this.until(this.commandHosts.acknowledge(contact, command.id, isNoop)),
      complete: (command, outcome = {}) =>
        this.until(this.commandHosts.complete(contact, command.id, { ...SUCCEEDED, ...outcome })),
      carryOut: async (outcome = {}) => {
        const command = await made.take();
        await made.acknowledge(command);
        await made.complete(command, outcome);
        return command;
      },
    };
    return made;
  }

  /** The host is here, and waits. */
  async online(host: CommandHost): Promise<PollUnderTest> {
    const poll = host.poll();
    await this.settle();
    return poll;
  }

  async addRevision(label: string): Promise<void> {
    await this.database.query
      .insertInto('revisions')
      .values({
        id: `r-${label}`,
        application: 'app',
        label,
        digest: Buffer.from(label).toString('hex').padEnd(64, '0').slice(0, 64),
        bundle_type: 'tgz',
        size_bytes: 10,
        source_url: null,
        description: '',
        registered_at: this.clock.now(),
        registered_by: 'ann',
        last_pushed_at: this.clock.now(),
        first_used_at: null,
        last_used_at: null,
      })
      .execute();
  }

  async deploy(label: string, options: object = {}): Promise<string> {
    const known = await this.database.query.selectFrom('revisions').select('id').where('label', '=', label).execute();
    if (known.length === 0) await this.addRevision(label);
    const body = createDeploymentBody.parse({
      application: 'app',
      deploymentGroup: 'web',
      revision: label,
      ...options,
    });
    const deployment = await this.until(this.core.services.deployments.create(body, ADMIN));
    await this.settle();
    return deployment.id;
  }

  async stop(deploymentId: string): Promise<void> {
    await this.until(this.core.services.deployments.stop(deploymentId, { reason: '' }, ADMIN));
    await this.settle();
  }

  get(deploymentId: string): Promise<Deployment> {
    return this.core.services.deploymentHistory.get(deploymentId);
  }

  target(deploymentId: string, host: CommandHost): Promise<TargetWithEvents> {
    return this.core.services.deploymentHistory.getTarget(deploymentId, host.name);
  }

  host(host: CommandHost): Promise<Host> {
    return this.core.services.hosts.get(host.name);
  }

  /** The revision that the group knows of the host. */
  async installed(host: CommandHost): Promise<string | null> {
    const row = await this.database.query
      .selectFrom('group_hosts')
      .select('revision_id')
      .where('host_id', '=', host.id)
      .executeTakeFirst();
    return row?.revision_id ?? null;
  }

  /** Its health, as the group knows it. */
  async health(host: CommandHost): Promise<string | undefined> {
    const members = this.database.query.selectFrom('group_hosts').select('instance_health');
    return (await members.where('host_id', '=', host.id).executeTakeFirst())?.instance_health;
  }

  forget(host: CommandHost): Promise<void> {
    return this.until(this.core.services.hosts.forget(host.name, ADMIN));
  }

  async restart(): Promise<void> {
    await this.until(this.core.stop());
    await this.startAnew();
  }

  /** The next coordinator process; the one before has stopped, or has died. */
  async startAnew(): Promise<void> {
    this.core = await this.#startCore();
    await this.settle();
  }

  async close(): Promise<void> {
    await this.until(this.core.stop());
    await this.database.close();
  }
}

export const SUCCEEDED: CommandOutcome = {
  status: 'Succeeded',
  diagnostics: { errorCode: 'Success', message: 'Succeeded: ' },
  log: '',
};

/** As a script that exits with 1. */
export function failed(message = 'exit code 1'): CommandOutcome {
  const diagnostics = { errorCode: 'ScriptFailed', scriptName: 'hook.sh', message, logTail: 'no\n' } as const;
  return { status: 'Failed', diagnostics, log: 'no\n' };
}

function startPoll(commandHosts: CommandHosts, contact: Contact): PollUnderTest {
  const controller = new AbortController();
  let settled: HostCommand | null | undefined;
  const answer = commandHosts.poll(contact, controller.signal);
  answer.then(
    (command) => (settled = command),
    () => (settled = null),
  );
  return { answer, settled: () => settled, abort: () => controller.abort() };
}

async function startCore({ database, clock, logger }: Ground, randomness: Randomness): Promise<Core> {
  const core = await createCore({
    config: testConfig('/nowhere'),
    database,
    store: NO_STORE,
    coordinatorId: 'test',
    accessKeyMaster: new Uint8Array(32),
    clock,
    randomness,
    logger,
    fetchBundle: () => Promise.reject(new Error('there is nothing to fetch from')),
    locateRevision: () => Promise.reject(new Error('there is nowhere to look')),
    notifier: { send: () => Promise.reject(new Error('there is nobody to tell')) },
    metrics: { hubEvent() {}, reportsCommitted() {}, triggerMessages() {} },
    fatal: (error) => {
      throw error;
    },
  });
  await core.start();
  return core;
}

const NO_STORE = {
  sizeOf: async () => 10,
} as unknown as RevisionStore;

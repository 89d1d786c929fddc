import type { Caller } from '../../coordinator/auth/caller.ts';
import { createEngine, type Engine } from '../../coordinator/engine/engine.ts';
import { createFeed, type Feed } from '../../coordinator/engine/feed.ts';
import { createTriggerOutbox } from '../../coordinator/engine/trigger-outbox.ts';
import { createDeploymentGroups, type DeploymentGroups } from '../../coordinator/services/deployment-groups.ts';
import { createDeploymentHistory, type DeploymentHistory } from '../../coordinator/services/deployment-history.ts';
import { createDeployments, type Deployments } from '../../coordinator/services/deployments.ts';
import { createHosts } from '../../coordinator/services/hosts.ts';
import { createMembership, type Membership } from '../../coordinator/services/membership.ts';
import { createPresence, type Presence } from '../../coordinator/services/presence.ts';
import { createReadiness, type Readiness } from '../../coordinator/services/readiness.ts';
import { createReports, type Reports } from '../../coordinator/services/reports.ts';
import { type ChangeSequence, loadChangeSequence } from '../../coordinator/storage/change-sequence.ts';
import type { Database } from '../../coordinator/storage/database.ts';
import { openSqlite } from '../../coordinator/storage/sqlite.ts';
import { type Logger, silentLogger } from '../../shared/core/logger.ts';
import type { Deployment } from '../../shared/model/deployment.ts';
import { deploymentGroupSettings, type HostSelection } from '../../shared/model/deployment-group.ts';
import { IN_PLACE_EVENTS } from '../../shared/model/lifecycle-event.ts';
import type {
  Assignment,
  CoordinatorMessage,
  Hello,
  InstalledRevision,
  Report,
} from '../../shared/protocol/messages.ts';
import { createFakeClock, type FakeClock } from './fake-clock.ts';
import { seededRandomness } from './fake-randomness.ts';
import { hostRow } from './host-row.ts';

export const ANN: Caller = { kind: 'operator', name: 'ann', role: 'deployer', remoteAddress: '127.0.0.1' };

/** What a host does with an assignment: by default everything succeeds at once. */
export type Behaviour = (assignment: Assignment, host: WorldHost) => 'succeed' | 'fail' | 'hang' | 'ignore';

export interface WorldHost {
  id: string;
  name: string;
  /** Another one begins when the host's state is wiped. */
  journalId: string;
  sequence: number;
  isConnected: boolean;
  behaviour: Behaviour;
  installed: string | null;
  /** By group: what it says when it connects. */
  installedIn: Map<string, { deploymentId: string; revisionId: string }>;
  /** Deployments in the order in which the host was told to start them. */
  started: string[];
  /** Every deployment that it has heard of. */
  held: Set<string>;
  /** What it has accepted and not finished. */
  unfinished: Map<string, Assignment>;
  /** How each deployment ended, as it was reported. */
  ends: Map<string, Report>;
  /** Reports that are not acknowledged: sent again on every connection. */
  outbox: Report[];
  /** What has been sent to it while its disk hangs; null while that does not. */
  unread: CoordinatorMessage[] | null;
}

/**
 * The production engine, services and storage (SQLite in memory) with hosts that are played: no sockets, no files, and a
 * clock that moves only when told.
 */
export interface EngineWorld {
  clock: FakeClock;
  database: Database;
  engine: Engine;
  deployments: Deployments;
  groups: DeploymentGroups;
  history: DeploymentHistory;
  membership: Membership;
  presence: Presence;
  readiness: Readiness;
  reports: Reports;
  feed: Feed;
  hosts: Map<string, WorldHost>;
  /** Broken invariants, and what was logged as an error. */
  faults: string[];
  addHost(
    name: string,
    options?: { tags?: Record<string, string>; scalingGroup?: string; behaviour?: Behaviour },
  ): Promise<WorldHost>;
  connect(host: WorldHost): Promise<void>;
  disconnect(host: WorldHost): void;
  /** Its disk hangs from now on: it takes up nothing that it is sent. */
  hangDisk(host: WorldHost): void;
  /** It takes up now what it was sent meanwhile, in that order. */
  releaseDisk(host: WorldHost): void;
  /** A host that hangs ends its deployment now. */
  finish(host: WorldHost, deploymentId: string, outcome: 'succeed' | 'fail'): void;
  /** As an agent that an assignment, or the word to leave it, has reached once more. */
  tellEndAgain(host: WorldHost, deploymentId: string): void;
  retag(host: WorldHost, tags: Record<string, string>): Promise<void>;
  forget(host: WorldHost): Promise<void>;
  /** The host says that an event runs, and how long it may take. */
  running(host: WorldHost, deploymentId: string, event: string, timeoutMs: number): void;
  addRevision(label: string): Promise<string>;
  addGroup(
    name: string,
    options?: { config?: string; selection?: Partial<HostSelection>; settings?: object },
  ): Promise<string>;
  deploy(revision: string, options?: object): Promise<Deployment>;
  get(id: string): Promise<Deployment>;
  /** Lets everything happen that needs no time, and `byMs` of time. */
  run(byMs?: number): Promise<void>;
  close(): Promise<void>;
}

export async function createEngineWorld(seed = 7): Promise<EngineWorld> {
  const clock = createFakeClock();
  const randomness = seededRandomness(seed);
  const database = openSqlite(':memory:');
  await database.migrate();
  await database.query
    .insertInto('applications')
    .values({ id: 'app-1', name: 'app', description: '', created_at: 0 })
    .execute();
  const changes: ChangeSequence = await loadChangeSequence(database);
  const hosts = new Map<string, WorldHost>();
  const faults: string[] = [];
  const logger: Logger = {
    ...silentLogger,
    error: (fields, phrase) => void faults.push(`${phrase}: ${JSON.stringify(fields)}`),
  };
  const settings = {
    acceptTimeoutMs: 300_000,
    hostLostAfterMs: 300_000,
    deploymentTimeoutMs: 43_200_000,
    offlineAfterMs: 15_000,
    silenceLimitMs: 15_000,
    eventTimeoutMs: 3_600_000,
    reportSlackMs: 60_000,
    commitWindowMs: 3,
    maxOutputBytes: 1_000_000,
  };
  const send = (hostId: string, message: CoordinatorMessage) => {
    const host = hosts.get(hostId);
    if (host === undefined || !host.isConnected) return false;
    receive(host, message);
    return true;
  };
  const feed = createFeed({ database, clock });
  const triggers = createTriggerOutbox({
    randomness,
    names: { region: 'eu-north-1', accountId: '123456789012' },
    maxWaiting: 1_000,
    wake: () => {},
  });
  const engine = createEngine({
    database,
    changes,
    clock,
    randomness,
    logger,
    settings,
    triggers,
    send,
    changed: (id) => feed.changed(id),
    fatal: (error) => void faults.push(error.message),
  });
  const wake = { wakeDeployment: engine.wakeDeployment, wakeGroup: engine.wakeGroup };
  const reports = createReports({
    database,
    changes,
    clock,
    logger,
    settings,
    gaveUp: () => {},
    acknowledge: (hostId, message) => {
      const host = hosts.get(hostId);
      if (host === undefined || message.kind !== 'acknowledged') return;
      host.outbox = host.outbox.filter((item) => item.sequence > message.sequence);
    },
    ...wake,
    changed: (id) => feed.changed(id),
    metrics: { committed: () => {} },
    triggers,
  });
  const presence = createPresence({ database, clock, logger, settings, send, ...wake });
  const membership = createMembership({ wakeGroup: engine.wakeGroup });
  const deployments = createDeployments({
    database,
    changes,
    clock,
    randomness,
    engine,
    settings,
    changed: (id) => feed.changed(id),
    triggers,
  });

  const hostService = createHosts({
    database,
    clock,
    hostChanged: membership.hostChanged,
    changes,
    triggers,
    wakeDeployment: engine.wakeDeployment,
    disconnect: (hostId) => {
      const host = hosts.get(hostId);
      if (host !== undefined) world.disconnect(host);
    },
  });

  function report(host: WorldHost, item: Record<string, unknown>): void {
    // The played hosts speak the protocol's own shape; the sequence is all that is added here.
    const complete = { ...item, sequence: ++host.sequence } as unknown as Report;
    host.outbox.push(complete);
    if (complete.kind === 'finished') host.ends.set(complete.deploymentId, complete);
    if (host.isConnected) reports.receive(host.id, [complete], []);
  }

  function receive(host: WorldHost, message: CoordinatorMessage): void {
    if (host.unread !== null) {
      host.unread.push(message);
      return;
    }
    if (message.kind === 'cancel') {
      // As the agent does: one that has begun goes on, one that has not is reported Skipped.
      if (host.held.has(message.deploymentId)) return;
      host.held.add(message.deploymentId);
      report(host, {
        kind: 'finished',
        deploymentId: message.deploymentId,
        status: 'Skipped',
        at: clock.now(),
        installedRevisionId: host.installed,
      });
      return;
    }
    if (message.kind !== 'assignment') return;
    const { assignment } = message;
    if (host.held.has(assignment.deploymentId)) return;
    const does = host.behaviour(assignment, host);
    if (does === 'ignore') return;
    host.held.add(assignment.deploymentId);
    host.started.push(assignment.deploymentId);
    host.unfinished.set(assignment.deploymentId, assignment);
    report(host, { kind: 'accepted', deploymentId: assignment.deploymentId, at: clock.now() });
    if (does !== 'hang') finish(host, assignment.deploymentId, does);
  }

  function finish(host: WorldHost, deploymentId: string, outcome: 'succeed' | 'fail'): void {
    const assignment = host.unfinished.get(deploymentId);
    if (assignment === undefined) throw new Error(`${host.name} has not got ${deploymentId}`);
    host.unfinished.delete(deploymentId);
    host.installed = assignment.revision.id;
    host.installedIn.set(assignment.deploymentGroupId, { deploymentId, revisionId: assignment.revision.id });
    const event = (name: string, status: string, diagnostics?: object) =>
      report(host, {
        kind: 'event',
        deploymentId,
        event: name,
        status,
        startedAt: clock.now(),
        durationMs: 2,
        ...(diagnostics === undefined ? {} : { diagnostics }),
      });
    for (const name of IN_PLACE_EVENTS) {
      const fails = outcome === 'fail' && name === 'ValidateService';
      event(
        name,
        fails ? 'Failed' : 'Succeeded',
        fails
          ? {
              errorCode: 'ScriptFailed',
              scriptName: 'validate.sh',
              message: 'exited 3',
              exitCode: 3,
              logTail: 'no answer\n',
            }
          : undefined,
      );
    }
    report(host, {
      kind: 'finished',
      deploymentId,
      status: outcome === 'succeed' ? 'Succeeded' : 'Failed',
      at: clock.now(),
      installedRevisionId: host.installed,
    });
  }

  function tellEndAgain(host: WorldHost, deploymentId: string): void {
    const end = host.ends.get(deploymentId);
    if (end === undefined) throw new Error(`${host.name} has not ended ${deploymentId}`);
    report(host, { ...end });
  }

  const world: EngineWorld = {
    clock,
    database,
    engine,
    deployments,
    groups: createDeploymentGroups({ database, clock, randomness, groupChanged: membership.groupChanged }),
    history: createDeploymentHistory({ database }),
    membership,
    presence,
    readiness: createReadiness({ database }),
    reports,
    feed,
    hosts,
    faults,
    async addHost(name, options = {}) {
      const host: WorldHost = {
        id: `h-${name}`,
        name,
        journalId: `journal-${name}`,
        sequence: 0,
        isConnected: false,
        behaviour: options.behaviour ?? (() => 'succeed'),
        installed: null,
        installedIn: new Map(),
        started: [],
        held: new Set(),
        unfinished: new Map(),
        ends: new Map(),
        outbox: [],
        unread: null,
      };
      hosts.set(host.id, host);
      await database.query
        .insertInto('hosts')
        .values(
          hostRow(
            {
              id: host.id,
              name,
              tags: JSON.stringify(options.tags ?? { role: 'web' }),
              scaling_group: options.scalingGroup ?? null,
              presence: 'Reconnecting',
            },
            clock.now(),
          ),
        )
        .execute();
      await world.connect(host);
      (await database.transaction((tx) => membership.hostChanged(tx, host.id)))();
      return host;
    },
    async connect(host) {
      host.isConnected = true;
      const acknowledged = await reports.openJournal(host.id, host.journalId);
      host.outbox = host.outbox.filter((item) => item.sequence > acknowledged);
      if (host.outbox.length > 0) reports.receive(host.id, host.outbox, []);
      reports.receiveInstalled(host.id, installedOn(host));
      presence.connected(host.id, {
        deployments: [...host.unfinished.keys()],
        agentVersion: '0',
        at: clock.now(),
        facts: {},
      } as unknown as Hello);
      await presence.settled();
    },
    disconnect(host) {
      host.isConnected = false;
      reports.closeJournal(host.id);
      presence.disconnected(host.id);
    },
    hangDisk(host) {
      host.unread ??= [];
    },
    releaseDisk(host) {
      const unread = host.unread ?? [];
      host.unread = null;
      for (const message of unread) receive(host, message);
    },
    finish,
    tellEndAgain,
    retag: async (host, tags) => void (await hostService.update(host.id, { tags }, ANN)),
    async forget(host) {
      await hostService.forget(host.id, ANN);
      hosts.delete(host.id);
    },
    running: (host, deploymentId, event, timeoutMs) =>
      reports.receive(host.id, [], [{ deploymentId, event, startedAt: clock.now(), timeoutMs }]),
    async addRevision(label) {
      const id = `r-${label}`;
      await database.query
        .insertInto('revisions')
        .values({
          id,
          application: 'app',
          label,
          digest: Buffer.from(label).toString('hex').padEnd(64, '0'),
          bundle_type: 'tgz',
          size_bytes: 1,
          source_url: null,
          description: '',
          registered_at: clock.now(),
          registered_by: 'ann',
          last_pushed_at: clock.now(),
          first_used_at: null,
          last_used_at: null,
        })
        .execute();
      return id;
    },
    async addGroup(name, options = {}) {
      const id = `g-${name}`;
      await database.query
        .insertInto('deployment_groups')
        .values({
          id,
          application: 'app',
          name,
          settings: JSON.stringify(
            deploymentGroupSettings.parse({
              selection: { tagFilters: [{ type: 'KEY_AND_VALUE', key: 'role', value: 'web' }], ...options.selection },
              deploymentConfigName: options.config ?? 'CodeDeployDefault.HalfAtATime',
              autoRollback: { enabled: true, events: ['DEPLOYMENT_FAILURE'] },
              outdatedInstancesStrategy: 'UPDATE',
              hookEnvironment: {},
              ...options.settings,
            }),
          ),
          created_at: clock.now(),
          updated_at: clock.now(),
          last_good_revision_id: null,
          last_successful_deployment_id: null,
          last_attempted_deployment_id: null,
          aws_settings: '{}',
        })
        .execute();
      (await database.transaction((tx) => membership.groupChanged(tx, id)))();
      return id;
    },
    deploy: (revision, options = {}) =>
      deployments.create(
        {
          application: 'app',
          deploymentGroup: 'prod',
          revision,
          description: '',
          ignoreApplicationStopFailures: false,
          updateOutdatedInstancesOnly: false,
          fileExistsBehavior: 'DISALLOW',
          ...options,
        },
        ANN,
      ),
    get: (id) => world.history.get(id),
    async run(byMs = 20) {
      await clock.advance(byMs);
      await engine.idle();
      await reports.drained();
      await clock.advance(0);
    },
    async close() {
      await presence.stop();
      await engine.stop();
      await database.close();
      if (faults.length > 0) throw new Error(`in this world: ${faults.slice(0, 3).join('; ')}`);
    },
  };
  await presence.start();
  await engine.start();
  return world;
}

/** As the host says it on the wire. */
export function installedOn({ installedIn }: WorldHost): InstalledRevision[] {
  return [...installedIn].map(([deploymentGroupId, has]) => ({ deploymentGroupId, ...has }));
}

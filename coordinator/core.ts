import type { Clock, Timer } from '../shared/core/clock.ts';
import { AppError } from '../shared/core/errors.ts';
import type { InvariantViolation } from '../shared/core/invariant.ts';
import type { Logger } from '../shared/core/logger.ts';
import type { Randomness } from '../shared/core/randomness.ts';
import type { CoordinatorMessage } from '../shared/protocol/messages.ts';
import type { CoordinatorConfig } from './config.ts';
import type { RevisionLocation } from './domain/revision-location.ts';
import { createEngine, type EngineParts } from './engine/engine.ts';
import { createFeed } from './engine/feed.ts';
import { createTriggerOutbox } from './engine/trigger-outbox.ts';
import { createHub, type Hub } from './hub/hub.ts';
import type { Notifier } from './notifications/notifier.ts';
import type { RevisionStore } from './revision-stores/revision-store.ts';
import { createAccessKeys } from './services/access-keys.ts';
import type { AgentPackages } from './services/agent-updates/agent-packages.ts';
import { createAgentUpdates } from './services/agent-updates/agent-updates.ts';
import { createApplications } from './services/applications.ts';
import { createAudit } from './services/audit.ts';
import { type CommandHosts, createCommandHosts } from './services/command-hosts/command-hosts.ts';
import { createCommandHostRegistration } from './services/command-hosts/registration.ts';
import { createDeploymentConfigs } from './services/deployment-configs.ts';
import { createDeploymentGroups } from './services/deployment-groups.ts';
import { createDeploymentHistory } from './services/deployment-history.ts';
import { createDeployments } from './services/deployments.ts';
import { createEnrolment } from './services/enrolment.ts';
import { createHostDrift } from './services/host-drift.ts';
import { createHosts } from './services/hosts.ts';
import { createJoinTokens } from './services/join-tokens.ts';
import { createMembership } from './services/membership.ts';
import { createOnPremisesInstances } from './services/on-premises-instances.ts';
import { createOperatorTokens } from './services/operator-tokens.ts';
import { createPresence } from './services/presence.ts';
import { createReadiness } from './services/readiness.ts';
import { createReports } from './services/reports.ts';
import { createResourceTags } from './services/resource-tags.ts';
import { createRetention } from './services/retention.ts';
import { createRevisionLocations, type LocatedObject } from './services/revision-locations.ts';
import { createRevisions } from './services/revisions.ts';
import { createSessions } from './services/sessions.ts';
import { createTriggerDelivery, type DeliveryOutcome } from './services/trigger-delivery.ts';
import { createTriggerMessages } from './services/trigger-messages.ts';
import { loadChangeSequence } from './storage/change-sequence.ts';
import type { Database } from './storage/database.ts';

export interface CoreParts {
  config: Pick<CoordinatorConfig, 'limits' | 'timings' | 'retention' | 'aws'>;
  /** Migrated. */
  database: Database;
  store: RevisionStore;
  coordinatorId: string;
  /** What the secrets of access keys are computed with. */
  accessKeyMaster: Uint8Array;
  clock: Clock;
  randomness: Randomness;
  logger: Logger;
  fetchBundle(url: string, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>>;
  /** Looks at a revision's location in another store. */
  locateRevision(location: RevisionLocation, signal: AbortSignal): Promise<LocatedObject>;
  /** Sends triggers' messages. */
  notifier: Notifier;
  /** What is offered to hosts; nothing when it is not given. */
  agentPackages?: AgentPackages;
  metrics: CoreMetrics;
  /** Lets all else have its turn; a simulation, where nothing else waits, gives none. */
  nextTurn?: () => Promise<void>;
  /** A broken invariant: the process must end and recover from what is stored. */
  fatal(error: InvariantViolation): void;
  decided?: EngineParts['decided'];
}

export interface CoreMetrics {
  hubEvent(what: string): void;
  reportsCommitted(committed: number, ignored: number, durationMs: number): void;
  triggerMessages(outcome: DeliveryOutcome, messages: number): void;
}

const SESSION_SWEEP_MS = 60_000;
const NO_AGENT_PACKAGES: AgentPackages = {
  list: async () => [],
  withBundle: async (version) => {
    throw new AppError('not_found', `there is no package of ${version}`);
  },
};

/**
 * The coordinator without its sockets and files: services, engine and hub, wired. The HTTP server stands on it, and a
 * simulation brings channels of its own.
 */
export async function createCore(parts: CoreParts) {
  const { config, database, store, coordinatorId, clock, randomness, metrics, fatal } = parts;
  const { limits, timings } = config;
  const logger = (part: string) => parts.logger.child({ part });
  const changes = await loadChangeSequence(database);

  const feed = createFeed({ database, clock });
  const triggerDelivery = createTriggerDelivery({
    database,
    clock,
    randomness,
    logger: logger('triggers'),
    notifier: parts.notifier,
    settings: { ...limits, ...timings },
    counted: metrics.triggerMessages,
  });
  const triggers = createTriggerOutbox({
    randomness,
    names: config.aws,
    maxWaiting: limits.triggerMessages,
    wake: triggerDelivery.wake,
  });
  // Both ways to hosts are made below, of what the engine is a part of: nothing is sent before `start`.
  const send = (hostId: string, message: CoordinatorMessage) =>
    commandHosts.send(hostId, message) ?? hub.send(hostId, message);
  const deploymentChanged = (id: string) => {
    feed.changed(id);
    agentUpdates.deploymentChanged(id);
  };
  const engine = createEngine({
    database,
    changes,
    clock,
    randomness,
    logger: logger('engine'),
    settings: timings,
    triggers,
    send,
    changed: deploymentChanged,
    fatal,
    decided: parts.decided,
  });
  const { wakeDeployment, wakeGroup } = engine;
  const reports = createReports({
    database,
    changes,
    clock,
    logger: logger('reports'),
    settings: {
      commitWindowMs: timings.reportCommitMs,
      maxOutputBytes: limits.outputBytesPerEvent,
      eventTimeoutMs: timings.eventTimeoutMs,
      reportSlackMs: timings.reportSlackMs,
    },
    acknowledge: send,
    gaveUp: (hostId) => commandHosts.disconnect(hostId),
    wakeDeployment,
    wakeGroup,
    changed: feed.changed,
    metrics: { committed: metrics.reportsCommitted },
    triggers,
  });
  const presence = createPresence({
    database,
    clock,
    logger: logger('presence'),
    settings: timings,
    send,
    wakeDeployment,
    wakeGroup,
  });
  const sessions = createSessions({ database, clock, randomness, coordinatorId });
  const hostDrift = createHostDrift({
    database,
    clock,
    randomness,
    protocolMinor: (hostId) => hub.protocolMinor(hostId),
    send: (hostId, message) => hub.send(hostId, message),
  });
  const hub: Hub = createHub({
    clock,
    randomness,
    logger: logger('hub'),
    settings: {
      coordinatorId,
      heartbeatIntervalMs: timings.heartbeatIntervalMs,
      silenceLimitMs: timings.silenceLimitMs,
      framesPerSecond: limits.framesPerSecond,
      maxConnections: limits.connections,
    },
    callbacks: {
      newNonce: sessions.newNonce,
      authenticate: sessions.answerHello,
      admit: async (host, hello) => ({
        acknowledgedSequence: await reports.openJournal(host.hostId, hello.journalId),
        sessionToken: sessions.openForConnection(host),
      }),
      connected: (hostId, hello) => presence.connected(hostId, hello),
      disconnected: (hostId) => {
        reports.closeJournal(hostId);
        presence.disconnected(hostId);
        hostDrift.disconnected(hostId);
      },
      sessionEnded: sessions.close,
      reports: (hostId, items, running) => reports.receive(hostId, items, running),
      installed: (hostId, installed) => reports.receiveInstalled(hostId, installed),
      output: (hostId, chunks) => reports.receiveOutput(hostId, chunks),
      drift: hostDrift.answered,
      hasRoom: () => reports.hasRoom(),
      cloneRefused: (hostId, details) => {
        sessions
          .noteClone(hostId, details)
          .catch((error: unknown) => parts.logger.error({ hostId, err: error }, 'refused clone not noted'));
      },
      counted: metrics.hubEvent,
    },
  });

  const commandHosts: CommandHosts = createCommandHosts({
    database,
    clock,
    randomness,
    logger: logger('command-hosts'),
    settings: timings,
    presence,
    reports,
  });

  const membership = createMembership({ wakeGroup });
  const deployments = createDeployments({
    database,
    changes,
    clock,
    randomness,
    engine,
    settings: timings,
    changed: feed.changed,
    triggers,
  });
  const hosts = createHosts({
    database,
    clock,
    hostChanged: membership.hostChanged,
    changes,
    triggers,
    wakeDeployment: (id) => {
      wakeDeployment(id);
      feed.changed(id);
    },
    disconnect: (hostId) => {
      sessions.closeAllOf(hostId);
      commandHosts.disconnect(hostId);
      hub.disconnect(hostId, {
        kind: 'problem',
        code: 'host_unknown',
        message: 'an operator has made the coordinator forget this host',
        hint: 'If it is to come back: drover-agent enrol --force with a new token, then restart the agent.',
        fatal: true,
      });
    },
  });
  const onPremisesInstances = createOnPremisesInstances({
    database,
    clock,
    randomness,
    hosts,
    hostChanged: membership.hostChanged,
  });
  const revisions = createRevisions({
    database,
    clock,
    randomness,
    store,
    fetchBundle: parts.fetchBundle,
    maxBundleBytes: limits.bundleBytes,
  });
  const agentUpdates = createAgentUpdates({
    database,
    clock,
    randomness,
    logger: logger('agent-updates'),
    insertParts: { randomness, changes, triggers, deploymentTimeoutMs: timings.deploymentTimeoutMs },
    packages: parts.agentPackages ?? NO_AGENT_PACKAGES,
    revisions,
    deployments,
    wakeDeployment,
  });
  const accessKeys = createAccessKeys({
    database,
    clock,
    randomness,
    logger: logger('access-keys'),
    master: parts.accessKeyMaster,
  });
  const services = {
    accessKeys,
    agentUpdates,
    applications: createApplications({ database, clock, randomness }),
    audit: createAudit({ database }),
    commandHostRegistration: createCommandHostRegistration({
      onPremisesInstances,
      accessKeys,
      hosts,
      accountId: config.aws.accountId,
    }),
    deploymentConfigs: createDeploymentConfigs({ database, clock }),
    deploymentGroups: createDeploymentGroups({ database, clock, randomness, groupChanged: membership.groupChanged }),
    deploymentHistory: createDeploymentHistory({ database }),
    deployments,
    enrolment: createEnrolment({ database, clock, randomness, coordinatorId, hostChanged: membership.hostChanged }),
    hosts,
    hostDrift,
    onPremisesInstances,
    joinTokens: createJoinTokens({ database, clock, randomness }),
    operatorTokens: createOperatorTokens({ database, clock, randomness, logger: logger('operator-tokens') }),
    readiness: createReadiness({ database }),
    retention: createRetention({
      database,
      clock,
      logger: logger('retention'),
      store,
      settings: config.retention,
      nextTurn: parts.nextTurn,
    }),
    resourceTags: createResourceTags({ database, clock }),
    revisions,
    revisionLocations: createRevisionLocations({
      database,
      clock,
      revisions,
      locate: parts.locateRevision,
      ownBucket: config.aws.bucket,
    }),
    sessions,
    triggerMessages: createTriggerMessages({ database, clock, wake: triggerDelivery.wake }),
  };

  let sweepTimer: Timer | null = null;
  const sweep = () => {
    sessions.sweep();
    sweepTimer = clock.setTimer(SESSION_SWEEP_MS, sweep);
  };

  return {
    services,
    hub,
    commandHosts,
    feed,
    engine,
    async start(): Promise<void> {
      await presence.start();
      await engine.start();
      await triggerDelivery.start();
      agentUpdates.begin();
      sweepTimer = clock.setTimer(SESSION_SWEEP_MS, sweep);
    },
    /** Nothing new is read; what was read is committed and acknowledged; then the hosts are told goodbye. */
    async stop(): Promise<void> {
      sweepTimer?.cancel();
      hub.pauseAll();
      hostDrift.stop();
      reports.stopping();
      await commandHosts.stop();
      await reports.drained();
      await agentUpdates.end();
      await engine.stop();
      await triggerDelivery.stop();
      await presence.settled();
      await hub.stop();
      await presence.stop();
    },
  };
}
export type Core = Awaited<ReturnType<typeof createCore>>;

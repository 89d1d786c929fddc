import type { Clock, Timer } from '../../../shared/core/clock.ts';
import { AppError, errorMessage } from '../../../shared/core/errors.ts';
import { newUuid } from '../../../shared/core/ids.ts';
import type { Logger } from '../../../shared/core/logger.ts';
import type { Randomness } from '../../../shared/core/randomness.ts';
import { type HostFacts, hostFacts } from '../../../shared/model/host.ts';
import type { Diagnostics } from '../../../shared/model/lifecycle-event.ts';
import {
  type Assignment,
  type CoordinatorMessage,
  MAX_OUTPUT_CHUNK_BYTES,
  type OutputChunk,
  type Report,
  type RunningEvent,
} from '../../../shared/protocol/messages.ts';
import { endEvent, leaveWalk, nextEvent, type UnnumberedReport } from '../../domain/command-walk.ts';
import type { Database } from '../../storage/database.ts';
import type { Presence } from '../presence.ts';
import type { Reports } from '../reports.ts';
import { CommandSession, type HeldPoll, type PresentCommand } from './command-session.ts';
import { loadProgress, loadWalk, permissionFor, storeCommand } from './progress.ts';

/** Source: CodeDeployCommand's model, CommandStatus. */
export type CommandStatus = 'Pending' | 'InProgress' | 'Succeeded' | 'Failed';

export interface HostCommand {
  id: string;
  iamArn: string;
  deploymentId: string;
  event: string;
  /** Place of the event, from 0. */
  nonce: number;
}

/** What a host's request tells beside its body. */
export interface Contact {
  hostId: string;
  agentVersion: string;
  /** By how far the host's clock was ahead when it signed, ms. */
  clockOffsetMs: number;
}

export interface CommandHostsParts {
  database: Database;
  clock: Clock;
  randomness: Randomness;
  logger: Logger;
  settings: {
    commandPollHoldMs: number;
    commandPollSilenceMs: number;
    acceptTimeoutMs: number;
    eventTimeoutMs: number;
    reportSlackMs: number;
  };
  presence: Pick<Presence, 'connected' | 'disconnected'>;
  reports: Pick<Reports, 'openJournal' | 'closeJournal' | 'receive' | 'receiveOutput'>;
}

export interface CommandHosts {
  /**
   * The next command, held until there is one. Null: nothing, ask again.
   * @throws AppError `forbidden` for a host that has another agent
   */
  poll(contact: Contact, signal: AbortSignal): Promise<HostCommand | null>;
  /** The assignment that the host has now. @throws AppError `not_found` for any other deployment */
  assignmentOf(contact: Contact, deploymentId: string): Promise<Assignment>;
  acknowledge(contact: Contact, commandId: string, isNoop: boolean): Promise<CommandStatus>;
  /** Resolves once the outcome is committed. One that is told already, or that nobody asked for, changes nothing. */
  complete(contact: Contact, commandId: string, outcome: CommandOutcome): Promise<void>;
  statusOf(contact: Contact, commandId: string): Promise<CommandStatus>;
  /** Who the host is to its agent. */
  iamArnOf(contact: Contact): Promise<string>;

  /** From the engine, as for any other host. Null when the host is not connected here. */
  send(hostId: string, message: CoordinatorMessage): boolean | null;
  connectedCount(): number;
  /** The host is forgotten. */
  disconnect(hostId: string): void;
  /** Held polls are answered, and what was asked for is done. */
  stop(): Promise<void>;
}

export interface CommandOutcome {
  status: CommandStatus;
  diagnostics: Diagnostics;
  /** What the agent sent of the scripts' output. */
  log: string;
}

/** All reports of such a host are numbered in one journal, which the coordinator itself keeps. */
const JOURNAL_ID = 'codedeploy-agent';
/** After this long without a word the command was lost on its way: it is offered again, under another id. */
const OFFER_AGAIN_MS = 60_000;
/** Events that always do something, whatever the agent says. */
const NEVER_NOOP: ReadonlySet<string> = new Set(['DownloadBundle', 'Install']);

/**
 * Hosts that run AWS's CodeDeploy agent, as the engine sees any host: they are connected, take a whole assignment, and
 * report. Their agent knows only one command after the other, so this walks the assignment for them:
 *
 *     none -- poll --> offered -- acknowledgement --> acknowledged -- completion --> the event has ended
 *                        |  no word for a minute: offered again, another id     (a noop ends with its acknowledgement)
 *
 * A host has one command at a time. An acknowledgement is committed before it is answered, and so is an outcome, as the report
 * that Drover's own agent would send; after a restart the database says where each host is. Offers are forgotten then, which
 * costs one more of them: the agent carries out nothing before its acknowledgement was answered with InProgress. What it says
 * of a command that is not the host's present one changes nothing.
 */
export function createCommandHosts(parts: CommandHostsParts): CommandHosts {
  const { database, clock, logger, settings, presence, reports } = parts;
  const sessions = new Map<string, CommandSession>();
  const connecting = new Map<string, Promise<CommandSession>>();
  let isStopped = false;

  // Connection

  /** Runs a request of a host; the host is connected while it has one open, and for a while after. */
  async function inContact<Result>(
    contact: Contact,
    work: (session: CommandSession) => Promise<Result>,
  ): Promise<Result> {
    const session = sessions.get(contact.hostId) ?? (await connect(contact));
    session.openRequests++;
    session.silenceTimer?.cancel();
    session.silenceTimer = null;
    try {
      return await work(session);
    } finally {
      session.openRequests--;
      if (session.openRequests === 0 && !session.isEnded && !isStopped)
        session.silenceTimer = clock.setTimer(settings.commandPollSilenceMs, () => endSession(session));
    }
  }

  function connect(contact: Contact): Promise<CommandSession> {
    const { hostId } = contact;
    const known = connecting.get(hostId);
    if (known !== undefined) return known;
    const made = open(contact).finally(() => connecting.delete(hostId));
    connecting.set(hostId, made);
    return made;
  }

  async function open({ hostId, agentVersion, clockOffsetMs }: Contact): Promise<CommandSession> {
    if (isStopped) throw new AppError('unavailable', 'the coordinator is stopping');
    const host = await database.query.selectFrom('hosts').selectAll().where('id', '=', hostId).executeTakeFirst();
    if (host === undefined || host.agent_kind !== 'codedeploy' || host.iam_arn === null)
      throw new AppError('forbidden', `${host?.name ?? hostId} is not registered as a host with the CodeDeploy agent`, {
        hint: "A host has one agent: register another one with drover hosts register-codedeploy-agent, or use Drover's own.",
      });
    const acknowledgedSequence = await reports.openJournal(hostId, JOURNAL_ID);
    const session = new CommandSession({ hostId, hostName: host.name, iamArn: host.iam_arn, acknowledgedSequence });
    const progress = await loadProgress(database.query, hostId);
    session.walk = progress.walk;
    if (progress.command !== null) {
      const { id, event, acknowledged_at: at } = progress.command;
      session.command = { id, event, offeredAt: at, acknowledgedAt: at, isDelivered: true };
    }
    session.lastEnded = progress.ended;
    session.hasAccepted = progress.walk !== null && progress.walk.ended.size > 0;
    sessions.set(hostId, session);
    const { walk, command } = session;
    // What was told of it before may have been lost: the acknowledgement is what is committed.
    if (walk !== null && command !== null) accept(session, walk.assignment.deploymentId, command);
    presence.connected(hostId, {
      agentVersion: agentVersion.slice(0, 64),
      at: clock.now() + clockOffsetMs,
      facts: factsOf(host.facts),
      deployments: session.walk === null ? [] : [session.walk.assignment.deploymentId],
    });
    return session;
  }

  function endSession(session: CommandSession): void {
    if (sessions.get(session.hostId) !== session) return;
    sessions.delete(session.hostId);
    session.end();
    reports.closeJournal(session.hostId);
    presence.disconnected(session.hostId);
  }

  // Reports

  function report(session: CommandSession, items: UnnumberedReport[], running: RunningEvent[] = []): Promise<void> {
    const numbered = items.map((item) => ({ ...item, sequence: ++session.sequence }) as Report);
    reports.receive(session.hostId, numbered, running);
    return session.committed();
  }

  function runningEvent(deploymentId: string, event: string, timeoutMs: number): RunningEvent {
    return { deploymentId, event, startedAt: clock.now(), timeoutMs };
  }

  // The walk

  /** The host may have this deployment now. Its part in an earlier one is over: the database lets it run one at a time. */
  async function take(session: CommandSession, assignment: Assignment): Promise<void> {
    const { walk } = session;
    if (walk?.assignment.deploymentId === assignment.deploymentId) return;
    if (walk !== null && hasCommandUnderWay(session)) {
      session.next = assignment;
      return;
    }
    if (walk !== null) await leave(session, 'The deployment was given up before the host had gone through it.');
    session.walk = await loadWalk(database.query, session.hostId, assignment.deploymentId);
    session.hasAccepted = session.walk !== null && session.walk.ended.size > 0;
    session.poll?.wake();
  }

  /** The walk goes no further. Whatever came meanwhile has its turn. */
  async function leave(session: CommandSession, message: string): Promise<void> {
    const { walk } = session;
    if (walk !== null) {
      session.walk = null;
      session.command = null;
      await report(session, leaveWalk(walk, clock.now(), message));
    }
    await takeNext(session);
  }

  async function takeNext(session: CommandSession): Promise<void> {
    const { next } = session;
    session.next = null;
    if (next !== null) await take(session, next);
  }

  async function finishEvent(
    session: CommandSession,
    outcome: { status: 'Succeeded' | 'Failed'; diagnostics: Diagnostics | null },
  ): Promise<void> {
    const { walk, command } = session;
    if (walk === null || command === null) return;
    const { hostId } = session;
    const { deploymentId } = walk.assignment;
    const isOver = (await permissionFor(database.query, hostId, deploymentId, true)) === 'over';
    const at = clock.now();
    const startedAt = command.acknowledgedAt ?? command.offeredAt;
    const ended = endEvent(walk, { event: command.event, ...outcome, startedAt, at });
    const isWhole = nextEvent(ended.walk) === null;
    if (isOver && !isWhole)
      ended.reports.push(
        ...leaveWalk(ended.walk, at, 'The deployment was given up before the host had gone through it.'),
      );
    const next = isOver ? null : nextEvent(ended.walk);
    // Until the host has taken it, the next one has as long as a whole assignment has to be accepted.
    const running = next === null ? [] : [runningEvent(deploymentId, next, settings.acceptTimeoutMs)];
    await report(session, ended.reports, running);
    session.command = null;
    session.lastEnded = { id: command.id, outcome: outcome.status };
    session.walk = isOver || isWhole ? null : ended.walk;
    if (session.walk === null) await takeNext(session);
    session.poll?.wake();
  }

  /** The command for this poll, or null while there is none. */
  async function offer(session: CommandSession, poll: HeldPoll): Promise<HostCommand | null> {
    const now = clock.now();
    await giveUpLostCommand(session, now);
    const { walk, command, hostId } = session;
    if (walk === null || poll.isOver) return null;
    if (command !== null) {
      if (command.acknowledgedAt !== null) return null;
      if (command.isDelivered && now < command.offeredAt + OFFER_AGAIN_MS) return null;
    }
    const event = nextEvent(walk);
    if (event === null) return null;
    const { deploymentId, lifecycleEvents } = walk.assignment;
    const permission = await permissionFor(database.query, hostId, deploymentId, session.hasAccepted);
    if (permission !== 'go') {
      await leave(session, leaveMessage(permission));
      return session.walk === null ? null : offer(session, poll);
    }
    const id = newUuid(parts.randomness);
    session.command = { id, event, offeredAt: now, acknowledgedAt: null, isDelivered: !poll.isOver };
    if (poll.isOver) {
      // Nobody heard of it: the next poll gets it at once.
      session.poll?.wake();
      return null;
    }
    return { id, iamArn: session.iamArn, deploymentId, event, nonce: lifecycleEvents.indexOf(event) };
  }

  /** An agent that died in the middle of an event and came back without a word: nothing else could ever start there. */
  async function giveUpLostCommand(session: CommandSession, now: number): Promise<void> {
    const { command } = session;
    if (command === null || command.acknowledgedAt === null) return;
    if (now < command.acknowledgedAt + settings.eventTimeoutMs + settings.reportSlackMs) return;
    const message = 'CodeDeploy agent was not able to tell how the lifecycle event ended.';
    await finishEvent(session, { status: 'Failed', diagnostics: { errorCode: 'UnknownError', message } });
  }

  async function acknowledge(session: CommandSession, commandId: string, isNoop: boolean): Promise<CommandStatus> {
    const { command, walk, hostId } = session;
    if (walk === null || command?.id !== commandId) return statusOf(session, commandId);
    const { deploymentId } = walk.assignment;
    if (command.acknowledgedAt === null) {
      const at = clock.now();
      const { id, event } = command;
      const permission = await database.transaction(async (tx) => {
        const answer = await permissionFor(tx.query, hostId, deploymentId, session.hasAccepted);
        if (answer === 'go')
          await storeCommand(tx, { host_id: hostId, id, deployment_id: deploymentId, event, acknowledged_at: at });
        return answer;
      });
      if (permission !== 'go') {
        await leave(session, leaveMessage(permission));
        return 'Failed';
      }
      command.acknowledgedAt = at;
      accept(session, deploymentId, command);
    }
    if (!isNoop || NEVER_NOOP.has(command.event)) return 'InProgress';
    await finishEvent(session, { status: 'Succeeded', diagnostics: null });
    return 'Succeeded';
  }

  function accept(session: CommandSession, deploymentId: string, { event, acknowledgedAt }: PresentCommand): void {
    const items: UnnumberedReport[] = session.hasAccepted ? [] : [{ kind: 'accepted', deploymentId, at: clock.now() }];
    session.hasAccepted = true;
    const remainingMs = Math.max(1, (acknowledgedAt ?? clock.now()) + settings.eventTimeoutMs - clock.now());
    // The acknowledgement itself is committed: if this is lost, the event's own report says as much.
    void report(session, items, [runningEvent(deploymentId, event, remainingMs)]).catch(ignoreGone);
  }

  async function complete(session: CommandSession, commandId: string, outcome: CommandOutcome): Promise<void> {
    const { command, walk, hostId } = session;
    const { status, diagnostics, log } = outcome;
    if (status !== 'Succeeded' && status !== 'Failed') return;
    if (walk === null || command?.id !== commandId) {
      logger.debug({ hostId, commandId, status }, 'completion of no present command ignored');
      return;
    }
    const { deploymentId } = walk.assignment;
    if (log !== '') reports.receiveOutput(hostId, outputChunks(deploymentId, command.event, log));
    await finishEvent(session, { status, diagnostics: status === 'Failed' ? diagnostics : null });
  }

  /** An older offer of a command must not be carried out: Failed makes the agent leave it. */
  function statusOf(session: CommandSession, commandId: string): CommandStatus {
    const { command, lastEnded } = session;
    if (command?.id === commandId) return command.acknowledgedAt === null ? 'Pending' : 'InProgress';
    return lastEnded?.id === commandId && lastEnded.outcome === 'Succeeded' ? 'Succeeded' : 'Failed';
  }

  async function cancel(session: CommandSession, deploymentId: string): Promise<void> {
    if (session.next?.deploymentId === deploymentId) session.next = null;
    const isPresent = session.walk?.assignment.deploymentId === deploymentId;
    if (isPresent && (session.hasAccepted || hasBegun(session))) return;
    if (isPresent) return leave(session, leaveMessage('stopped'));
    // It was never told of it: its part ends before it began.
    if ((await permissionFor(database.query, session.hostId, deploymentId, false)) !== 'stopped') return;
    const walk = await loadWalk(database.query, session.hostId, deploymentId);
    if (walk !== null) await report(session, leaveWalk(walk, clock.now(), leaveMessage('stopped')));
  }

  // Polls

  async function held(session: CommandSession, signal: AbortSignal): Promise<HostCommand | null> {
    // One that is still open belongs to an agent that has given it up.
    session.endPoll();
    let isWoken = false;
    let resume: (() => void) | null = null;
    const poll: HeldPoll = {
      isOver: signal.aborted || isStopped,
      wake() {
        isWoken = true;
        resume?.();
      },
    };
    session.poll = poll;
    const end = () => {
      poll.isOver = true;
      poll.wake();
    };
    signal.addEventListener('abort', end, { once: true });
    const timer: Timer = clock.setTimer(settings.commandPollHoldMs, end);
    try {
      for (;;) {
        isWoken = false;
        const command = await session.inTurn(() => offer(session, poll));
        if (command !== null || poll.isOver) return command;
        if (!isWoken)
          await new Promise<void>((resolve) => {
            resume = resolve;
          });
        resume = null;
      }
    } finally {
      timer.cancel();
      signal.removeEventListener('abort', end);
      if (session.poll === poll) session.poll = null;
    }
  }

  function inBackground(session: CommandSession, what: string, work: () => Promise<void>): void {
    session.inTurn(work).catch((error: unknown) => {
      // The engine asks again by its tick, and everything is asked anew when the host connects.
      if (!session.isEnded) logger.warn({ hostId: session.hostId, what, err: errorMessage(error) }, 'not dealt with');
    });
  }

  return {
    poll: (contact, signal) => inContact(contact, (session) => held(session, signal)),
    assignmentOf: (contact, deploymentId) =>
      inContact(contact, async (session) => {
        const { walk } = session;
        if (walk?.assignment.deploymentId === deploymentId) return walk.assignment;
        throw new AppError('not_found', `${deploymentId} is not what ${session.hostName} has to do now`);
      }),
    acknowledge: (contact, commandId, isNoop) =>
      inContact(contact, (session) => session.inTurn(() => acknowledge(session, commandId, isNoop))),
    complete: (contact, commandId, outcome) =>
      inContact(contact, (session) => session.inTurn(() => complete(session, commandId, outcome))),
    statusOf: (contact, commandId) =>
      inContact(contact, (session) => session.inTurn(async () => statusOf(session, commandId))),
    iamArnOf: (contact) => inContact(contact, async (session) => session.iamArn),

    send(hostId, message) {
      const session = sessions.get(hostId);
      if (session === undefined) return null;
      switch (message.kind) {
        case 'assignment':
          inBackground(session, 'assignment', () => take(session, message.assignment));
          break;
        case 'cancel':
          inBackground(session, 'cancel', () => cancel(session, message.deploymentId));
          break;
        case 'acknowledged':
          session.acknowledge(message.sequence);
          break;
        case 'problem':
          logger.error({ hostId, message }, 'reports refused');
          endSession(session);
          break;
        default:
        // The rest is about connections, of which there is none here.
      }
      return true;
    },

    connectedCount: () => sessions.size,

    disconnect(hostId) {
      const session = sessions.get(hostId);
      if (session !== undefined) endSession(session);
    },

    async stop() {
      isStopped = true;
      const open = [...sessions.values()];
      for (const session of open) {
        session.silenceTimer?.cancel();
        session.endPoll();
      }
      await Promise.all(open.map((session) => session.settled()));
    },
  };
}

function hasCommandUnderWay({ command }: CommandSession): boolean {
  return command !== null && command.acknowledgedAt !== null;
}

function hasBegun(session: CommandSession): boolean {
  return hasCommandUnderWay(session) || (session.walk !== null && session.walk.ended.size > 0);
}

function leaveMessage(permission: 'stopped' | 'over'): string {
  return permission === 'stopped'
    ? 'The deployment was stopped before the host had begun.'
    : 'The deployment was given up before the host had gone through it.';
}

function factsOf(text: string): HostFacts {
  const parsed = hostFacts.safeParse(JSON.parse(text));
  return parsed.success ? parsed.data : {};
}

function outputChunks(deploymentId: string, event: string, log: string): OutputChunk[] {
  const bytes = Buffer.from(log, 'utf8').subarray(0, MAX_OUTPUT_CHUNK_BYTES);
  return [{ deploymentId, event, offset: 0, data: bytes.toString('base64') }];
}

/** The host counts as gone meanwhile: when it is back, the database says where it is. */
function ignoreGone(): void {}

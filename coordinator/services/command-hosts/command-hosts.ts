import type { Clock } from '../../../shared/core/clock.ts';
import { AppError, errorMessage } from '../../../shared/core/errors.ts';
import type { Logger } from '../../../shared/core/logger.ts';
import type { Randomness } from '../../../shared/core/randomness.ts';
import type { Assignment, CoordinatorMessage } from '../../../shared/protocol/messages.ts';
import type { Database } from '../../storage/database.ts';
import type { Presence } from '../presence.ts';
import type { Reports } from '../reports.ts';
import type { CommandOutcome, CommandStatus, Contact, HostCommand } from './command.ts';
import type { CommandSession } from './command-session.ts';
import { createContacts } from './contacts.ts';
import { holdPoll } from './held-poll.ts';
import { createHostCommands } from './host-commands.ts';
import { createHostWalks } from './host-walks.ts';

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
  reports: Pick<Reports, 'openJournal' | 'closeJournal' | 'receive' | 'receiveIf' | 'receiveOutput'>;
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
  const { clock, logger, settings } = parts;
  const walks = createHostWalks(parts);
  const commands = createHostCommands({ ...parts, walks });
  const contacts = createContacts({ ...parts, walks });
  const polls = { clock, holdMs: settings.commandPollHoldMs, isStopped: contacts.isStopped, offer: commands.offer };

  function inBackground(session: CommandSession, what: string, work: () => Promise<void>): void {
    session.inTurn(work).catch((error: unknown) => {
      // The engine asks again by its tick, and everything is asked anew when the host connects.
      if (!session.isEnded) logger.warn({ hostId: session.hostId, what, err: errorMessage(error) }, 'not dealt with');
    });
  }

  return {
    poll: (contact, signal) => contacts.inContact(contact, (session) => holdPoll(polls, session, signal)),
    assignmentOf: (contact, deploymentId) =>
      contacts.inContact(contact, async (session) => {
        const { walk } = session;
        if (walk?.assignment.deploymentId === deploymentId) return walk.assignment;
        throw new AppError('not_found', `${deploymentId} is not what ${session.hostName} has to do now`);
      }),
    acknowledge: (contact, commandId, isNoop) =>
      contacts.inContact(contact, (session) => session.inTurn(() => commands.acknowledge(session, commandId, isNoop))),
    complete: (contact, commandId, outcome) =>
      contacts.inContact(contact, (session) => session.inTurn(() => commands.complete(session, commandId, outcome))),
    statusOf: (contact, commandId) =>
      contacts.inContact(contact, (session) => session.inTurn(async () => commands.statusOf(session, commandId))),
    iamArnOf: (contact) => contacts.inContact(contact, async (session) => session.iamArn),

    send(hostId, message) {
      const session = contacts.find(hostId);
      if (session === undefined) return null;
      switch (message.kind) {
        case 'assignment':
          inBackground(session, 'assignment', () => walks.take(session, message.assignment));
          break;
        case 'cancel':
          inBackground(session, 'cancel', () => walks.cancel(session, message.deploymentId));
          break;
        case 'acknowledged':
          session.acknowledge(message.sequence);
          break;
        case 'problem':
          logger.error({ hostId, message }, 'reports refused');
          contacts.end(session);
          break;
        default:
        // The rest is about connections, of which there is none here.
      }
      return true;
    },

    connectedCount: contacts.count,

    disconnect: contacts.forget,

    stop: contacts.stop,
  };
}

import type { Clock } from '../../../shared/core/clock.ts';
import { newUuid } from '../../../shared/core/ids.ts';
import type { Logger } from '../../../shared/core/logger.ts';
import type { Randomness } from '../../../shared/core/randomness.ts';
import { MAX_OUTPUT_CHUNK_BYTES, type OutputChunk } from '../../../shared/protocol/messages.ts';
import { nextEvent } from '../../domain/command-walk.ts';
import type { Database } from '../../storage/database.ts';
import type { Reports } from '../reports.ts';
import type { CommandOutcome, CommandStatus, HostCommand } from './command.ts';
import type { CommandSession, HeldPoll, PresentCommand } from './command-session.ts';
import { type HostWalks, leaveMessage } from './host-walks.ts';
import { type Permission, permissionFor, storeCommand } from './progress.ts';

/** After this long without a word the command was lost on its way: it is offered again, under another id. */
const OFFER_AGAIN_MS = 60_000;
/** Events that always do something, whatever the agent says. */
const NEVER_NOOP: ReadonlySet<string> = new Set(['DownloadBundle', 'Install']);

export interface HostCommandsParts {
  database: Database;
  clock: Pick<Clock, 'now'>;
  randomness: Randomness;
  logger: Logger;
  settings: { eventTimeoutMs: number; reportSlackMs: number };
  reports: Pick<Reports, 'receiveOutput'>;
  walks: HostWalks;
}

/** One command of one host, from its offer to its end. */
export function createHostCommands(parts: HostCommandsParts) {
  const { database, clock, logger, settings, reports, walks } = parts;

  /** The command for this poll, or null while there is none. */
  async function offer(session: CommandSession, poll: HeldPoll): Promise<HostCommand | null> {
    const now = clock.now();
    if (session.command !== null) countFromHere(session.command, now);
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
      await walks.leave(session, leaveMessage(permission));
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
    // It may have time left that this clock does not show, since it was set forward or stood still: that is the engine's to say.
    const deploymentId = session.walk?.assignment.deploymentId;
    if (
      deploymentId !== undefined &&
      (await permissionFor(database.query, session.hostId, deploymentId, true)) === 'go'
    )
      return;
    const message = 'CodeDeploy agent was not able to tell how the lifecycle event ended.';
    await walks.finishEvent(session, { status: 'Failed', diagnostics: { errorCode: 'UnknownError', message } });
  }

  async function acknowledge(session: CommandSession, commandId: string, isNoop: boolean): Promise<CommandStatus> {
    const { command, walk, hostId } = session;
    if (walk === null || command?.id !== commandId) return statusOf(session, commandId);
    const { deploymentId } = walk.assignment;
    if (command.acknowledgedAt === null) {
      const at = clock.now();
      const { id, event } = command;
      const answer: { permission: Permission } = { permission: 'over' };
      await walks.begin(session, deploymentId, event, async (tx) => {
        answer.permission = await permissionFor(tx.query, hostId, deploymentId, session.hasAccepted);
        if (answer.permission !== 'go') return false;
        await storeCommand(tx, { host_id: hostId, id, deployment_id: deploymentId, event, acknowledged_at: at });
        return true;
      });
      const { permission } = answer;
      if (permission !== 'go') {
        await walks.leave(session, leaveMessage(permission));
        return 'Failed';
      }
      command.acknowledgedAt = at;
    }
    if (!isNoop || NEVER_NOOP.has(command.event)) return 'InProgress';
    await walks.finishEvent(session, { status: 'Succeeded', diagnostics: null });
    return 'Succeeded';
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
    await walks.finishEvent(session, { status, diagnostics: status === 'Failed' ? diagnostics : null });
  }

  /** An older offer of a command must not be carried out: Failed makes the agent leave it. */
  function statusOf(session: CommandSession, commandId: string): CommandStatus {
    const { command, lastEnded } = session;
    if (command?.id === commandId) return command.acknowledgedAt === null ? 'Pending' : 'InProgress';
    return lastEnded?.id === commandId && lastEnded.outcome === 'Succeeded' ? 'Succeeded' : 'Failed';
  }

  return { offer, acknowledge, complete, statusOf };
}

/** An instant to come is one from before the clock was set back. */
function countFromHere(command: PresentCommand, now: number): void {
  command.offeredAt = Math.min(command.offeredAt, now);
  if (command.acknowledgedAt !== null) command.acknowledgedAt = Math.min(command.acknowledgedAt, now);
}

function outputChunks(deploymentId: string, event: string, log: string): OutputChunk[] {
  const bytes = Buffer.from(log, 'utf8').subarray(0, MAX_OUTPUT_CHUNK_BYTES);
  return [{ deploymentId, event, offset: 0, data: bytes.toString('base64') }];
}

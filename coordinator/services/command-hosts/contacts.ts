import type { Clock } from '../../../shared/core/clock.ts';
import { AppError } from '../../../shared/core/errors.ts';
import { type HostFacts, hostFacts } from '../../../shared/model/host.ts';
import type { Database } from '../../storage/database.ts';
import type { Presence } from '../presence.ts';
import type { Reports } from '../reports.ts';
import type { Contact } from './command.ts';
import { CommandSession } from './command-session.ts';
import type { HostWalks } from './host-walks.ts';
import { loadProgress } from './progress.ts';

/** All reports of such a host are numbered in one journal, which the coordinator itself keeps. */
const JOURNAL_ID = 'codedeploy-agent';

export interface ContactsParts {
  database: Database;
  clock: Clock;
  settings: { commandPollSilenceMs: number };
  presence: Pick<Presence, 'connected' | 'disconnected'>;
  reports: Pick<Reports, 'openJournal' | 'closeJournal'>;
  walks: Pick<HostWalks, 'beginAgain'>;
}

/** Which hosts are connected: those that have a request open, or had one a while ago. */
export function createContacts({ database, clock, settings, presence, reports, walks }: ContactsParts) {
  const sessions = new Map<string, CommandSession>();
  const connecting = new Map<string, { session: Promise<CommandSession>; isForgotten: boolean }>();
  let isStopped = false;

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
    if (known !== undefined) return known.session;
    const isForgotten = () => connecting.get(hostId)?.isForgotten === true;
    const session = open(contact, isForgotten).finally(() => connecting.delete(hostId));
    connecting.set(hostId, { session, isForgotten: false });
    return session;
  }

  async function open(
    { hostId, agentVersion, clockOffsetMs }: Contact,
    isForgotten: () => boolean,
  ): Promise<CommandSession> {
    if (isStopped) throw new AppError('unavailable', 'the coordinator is stopping');
    const host = await database.query.selectFrom('hosts').selectAll().where('id', '=', hostId).executeTakeFirst();
    if (host === undefined || host.agent_kind !== 'codedeploy' || host.iam_arn === null)
      throw notRegistered(host?.name ?? hostId);
    const acknowledgedSequence = await reports.openJournal(hostId, JOURNAL_ID);
    const session = new CommandSession({ hostId, hostName: host.name, iamArn: host.iam_arn, acknowledgedSequence });
    const progress = await loadProgress(database.query, hostId);
    // No session was there that could have been ended.
    if (isForgotten()) {
      reports.closeJournal(hostId);
      throw notRegistered(host.name);
    }
    session.walk = progress.walk;
    if (progress.command !== null) {
      const { id, event, acknowledged_at: at } = progress.command;
      session.command = { id, event, offeredAt: at, acknowledgedAt: at, isDelivered: true };
    }
    session.lastEnded = progress.ended;
    session.hasAccepted = progress.walk !== null && progress.walk.ended.size > 0;
    sessions.set(hostId, session);
    const { walk, command } = session;
    // Known already, unless an earlier version committed the acknowledgement alone.
    if (walk !== null && command !== null) walks.beginAgain(session, walk.assignment.deploymentId, command);
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

  return {
    inContact,
    find: (hostId: string): CommandSession | undefined => sessions.get(hostId),
    end: endSession,
    /** Also while it connects. */
    forget(hostId: string): void {
      const attempt = connecting.get(hostId);
      if (attempt !== undefined) attempt.isForgotten = true;
      const session = sessions.get(hostId);
      if (session !== undefined) endSession(session);
    },
    count: () => sessions.size,
    isStopped: () => isStopped,
    /** Nobody is let in any more; held polls are answered, and what was asked for is done. */
    async stop(): Promise<void> {
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

function notRegistered(name: string): AppError {
  return new AppError('forbidden', `${name} is not registered as a host with the CodeDeploy agent`, {
    hint: "A host has one agent: register another one with drover hosts register-codedeploy-agent, or use Drover's own.",
  });
}

function factsOf(text: string): HostFacts {
  const parsed = hostFacts.safeParse(JSON.parse(text));
  return parsed.success ? parsed.data : {};
}

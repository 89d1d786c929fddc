import type * as z from 'zod';
import type { hostRoutes } from '../../shared/api/hosts.ts';
import type { Clock } from '../../shared/core/clock.ts';
import { AppError } from '../../shared/core/errors.ts';
import { newUuid } from '../../shared/core/ids.ts';
import type { Randomness } from '../../shared/core/randomness.ts';
import type { CoordinatorMessage, DriftAnswer } from '../../shared/protocol/messages.ts';
import type { Database } from '../storage/database.ts';
import { hostRow } from '../storage/rows/hosts.ts';
import type { HostRow } from '../storage/tables.ts';

type Reply = z.input<typeof hostRoutes.findHostDrift.reply>;

interface Parts {
  database: Database;
  clock: Clock;
  randomness: Randomness;
  /** Minor version of the protocol that the connected host speaks; null: it is not connected. */
  protocolMinor(hostId: string): number | null;
  send(hostId: string, message: CoordinatorMessage): boolean;
}

/** The first version with the question. */
const SINCE_MINOR = 1;
/** How long a host may take: below the 30 s at which clients and proxies give up. */
const ANSWER_TIMEOUT_MS = 25_000;
/** Hosts that are asked at the same time. */
const MAX_QUESTIONS = 256;
const BY_HAND = 'On the host itself, drover-agent drift has no limit of time.';

interface Question {
  requestId: string;
  answer: Promise<DriftAnswer>;
  resolve(answer: DriftAnswer): void;
  reject(error: AppError): void;
}

/**
 * Asks hosts which of their installed files were changed by hand. One question at a time for each host, which costs it the
 * reading of all its files: who asks meanwhile gets the same answer. Nothing is stored.
 */
export function createHostDrift(parts: Parts) {
  const { database, clock, randomness } = parts;
  const questions = new Map<string, Question>();

  function ask(host: HostRow): Promise<DriftAnswer> {
    const asked = questions.get(host.id);
    if (asked !== undefined) return asked.answer;
    if (questions.size >= MAX_QUESTIONS)
      throw new AppError('unavailable', `${MAX_QUESTIONS} hosts are being asked already`, { hint: 'Try again later.' });
    const question = newQuestion();
    questions.set(host.id, question);
    const timer = clock.setTimer(ANSWER_TIMEOUT_MS, () =>
      question.reject(
        new AppError('unavailable', `${host.name} did not answer within ${ANSWER_TIMEOUT_MS / 1_000} s`, {
          hint: `It reads every installed file. ${BY_HAND}`,
        }),
      ),
    );
    const forget = () => {
      timer.cancel();
      questions.delete(host.id);
    };
    question.answer.then(forget, forget);
    if (!parts.send(host.id, { kind: 'find-drift', requestId: question.requestId })) question.reject(away(host));
    return question.answer;
  }

  function newQuestion(): Question {
    // Set at once: a promise runs its function before it is returned.
    let resolve!: Question['resolve'];
    let reject!: Question['reject'];
    const answer = new Promise<DriftAnswer>((...settle) => {
      [resolve, reject] = settle;
    });
    return { requestId: newUuid(randomness), answer, resolve, reject };
  }

  return {
    /** @throws AppError `not_found`; `unavailable` when the host is away or says nothing; `conflict` when its agent cannot tell */
    async of(nameOrId: string): Promise<Reply> {
      const host = await hostRow(database.query, nameOrId);
      assertCanAnswer(host, parts.protocolMinor(host.id));
      const answer = await ask(host);
      if (answer.failure !== undefined)
        throw new AppError('unavailable', `${host.name} could not look: ${answer.failure}`, {
          hint: 'See what is wrong on the host: drover-agent doctor',
        });
      const names = await groupNames(
        database,
        answer.groups.map((group) => group.groupId),
      );
      return {
        host: host.name,
        isTruncated: answer.isTruncated,
        groups: answer.groups.map((group) => ({
          ...group,
          ...(names.get(group.groupId) ?? { application: null, deploymentGroup: null }),
        })),
      };
    },

    /** An answer that nobody waits for any more is dropped. */
    answered(hostId: string, answer: DriftAnswer): void {
      const question = questions.get(hostId);
      if (question?.requestId === answer.requestId) question.resolve(answer);
    },

    disconnected(hostId: string): void {
      questions
        .get(hostId)
        ?.reject(new AppError('unavailable', 'the host lost its connection meanwhile', { hint: 'Try again.' }));
    },

    stop(): void {
      for (const question of questions.values())
        question.reject(new AppError('unavailable', 'the coordinator stops', { hint: 'Try again.' }));
    },
  };
}
export type HostDrift = ReturnType<typeof createHostDrift>;

function assertCanAnswer(host: HostRow, protocolMinor: number | null): void {
  if (host.agent_kind !== 'drover')
    throw new AppError('conflict', `${host.name} has AWS's agent, which cannot tell what was changed`, {
      hint: "Only Drover's own agent records what it installs.",
    });
  if (protocolMinor === null) throw away(host);
  if (protocolMinor < SINCE_MINOR)
    throw new AppError('conflict', `this agent cannot: ${host.name} has ${host.agent_version ?? 'an older one'}`, {
      hint: 'Upgrade the agent on that host, or run drover-agent drift there.',
    });
}

function away(host: HostRow): AppError {
  return new AppError('unavailable', `${host.name} has no connection`, {
    hint: `See since when: drover hosts show ${host.name}`,
    details: { presence: host.presence },
  });
}

/** Groups that are gone, and those of `drover-agent local`, have no names here. */
async function groupNames(database: Database, ids: string[]) {
  const rows =
    ids.length === 0
      ? []
      : await database.query
          .selectFrom('deployment_groups')
          .select(['id', 'name', 'application'])
          .where('id', 'in', ids)
          .execute();
  return new Map(rows.map((row) => [row.id, { application: row.application, deploymentGroup: row.name }]));
}

/**
 * Named places that a history may come to. Each is counted once for each time it happens; over the standard seeds none may
 * stay unvisited, or the generator has gone blind for it.
 */
export const SITUATIONS = [
  'a rollback succeeded',
  'a rollback failed',
  'a rollback while a host is cut off',
  'a rollback while the coordinator restarts',
  'a stop during a rollback',
  'a stop that asks for a rollback',
  'a stop of a deployment that has begun nothing',
  'a stop while assignments are under way',
  'a stop while the coordinator dies before it answers',
  'a host joins while its group is deployed to',
  'a host joins while its group rolls back',
  'a host leaves its group while it is deployed to',
  'a host is forgotten in the middle of its deployment',
  'a host is forgotten and enrols again',
  'a host is brought in after it was lost',
  'hosts follow on after a deployment',
  'a group is deleted and made again',
  'a part of a group is deployed to',
  'only the last host fails',
  'every host of a deployment fails',
  'a deployment that can never begin',
  'a deployment runs out of time',
  'a host is offline at its turn',
  'a host is lost in the middle of its deployment',
  'a host does not accept in time',
  'a host reports after it was given up',
  'an agent dies inside a hook',
  'an agent dies inside a hook while its coordinator is down',
  'an agent finds its hook again',
  'an agent dies between deciding and starting a hook',
  'an agent dies in the middle of a journal write',
  'an agent dies before it has synced',
  'a host loses its power inside a hook',
  'a host loses its power during an install',
  'a hook is killed with its wrapper',
  'a hook hangs until its time is over',
  'a hook does not care about TERM',
  'a disk is full in the middle of a deployment',
  'a copied host is refused',
  'a coordinator dies between commit and perform',
  'a coordinator dies in the middle of a group commit of reports',
  'a coordinator dies before a commit',
  'a coordinator dies with assignments half sent',
  'a coordinator stops in good order during a deployment',
  'a clock jumps during a deployment',
  'a connection is half open',
  'a host reconnects in the middle of its deployment',
  'reports are repeated',
  'a host works through a long poll',
  'two groups want one host',
  'a deployment is refused since another one runs',
  'the same deployment is asked for twice',
  'a rollback by hand',
  'the config changes during a deployment',
] as const;
export type Situation = (typeof SITUATIONS)[number];

export type SituationCounts = Record<Situation, number>;

export function noSituations(): SituationCounts {
  return Object.fromEntries(SITUATIONS.map((name) => [name, 0])) as SituationCounts;
}

import { readFileSync } from 'node:fs';
import { decide } from '../../coordinator/rollout/rollout.ts';
import { generatePlan } from './generator.ts';
import { runPlan } from './run-plan.ts';

type View = Parameters<typeof decide>[0];
type Decided = ReturnType<typeof decide>;

/** What was decided once, from which facts. */
export interface Recorded {
  view: View;
  now: number;
  decided: Decided;
}

/** Where they are kept: a line of JSON each, so that a changed decision is a changed line. */
export const GOLDEN_FILE = new URL('../fixtures/decisions/recorded.ndjson', import.meta.url);

/** Of decisions of one shape. */
const MOST_OF_A_KIND = 40;
const MOST = 600;

/** Plays seeds until so many decisions were made from facts that differ in more than names and instants. */
export async function recordDecisions(maxSeeds: number): Promise<Recorded[]> {
  const recorded: Recorded[] = [];
  const seen = new Set<string>();
  const ofKind = new Map<string, number>();
  for (let seed = 1; seed <= maxSeeds && recorded.length < MOST; seed++)
    await runPlan(generatePlan(seed), {
      keepsLines: false,
      decided(view, now, decided) {
        const kind = kindOf(view, decided);
        const shape = `${kind} ${shapeOf(view)}`;
        const count = ofKind.get(kind) ?? 0;
        if (recorded.length >= MOST || count >= MOST_OF_A_KIND || seen.has(shape)) return;
        seen.add(shape);
        ofKind.set(kind, count + 1);
        // As it is now: the engine goes on with these very objects.
        recorded.push(structuredClone({ view, now, decided }));
      },
    });
  return recorded;
}

/** What views had not, when the first of them were recorded. */
const NOT_RECORDED = { forgottenHosts: 0 };

export function readRecorded(text: string = readFileSync(GOLDEN_FILE, 'utf8')): Recorded[] {
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
    .map(({ view, ...rest }) => ({ ...rest, view: { ...view, deployment: { ...NOT_RECORDED, ...view.deployment } } }));
}

export function toLines(recorded: readonly Recorded[]): string {
  return `${recorded.map((each) => JSON.stringify(each)).join('\n')}\n`;
}

/** The same facts, with what today's code decides. */
export function decideAnew(recorded: readonly Recorded[]): Recorded[] {
  return recorded.map(({ view, now }) => ({ view, now, decided: decide(view, now) }));
}

function kindOf({ deployment, next }: View, { decisions, wakeAt }: Decided): string {
  const decided = decisions.map((decision) =>
    decision.kind === 'fail-target'
      ? decision.errorCode
      : decision.kind === 'start-target'
        ? decision.kind
        : JSON.stringify(decision, ['kind', 'as', 'status', 'code', 'error']),
  );
  return `${deployment.creator} ${[...new Set(decided)].join()} ${wakeAt === null} ${next.length === 0}`;
}

/** What a decision turns on, without names and instants. */
function shapeOf({ deployment, counts, next, overdue, ...rest }: View): string {
  return JSON.stringify([
    deployment.status,
    deployment.minimumHealthyCount,
    deployment.totalHosts,
    deployment.forgottenHosts,
    deployment.ending?.as,
    deployment.stopRequest?.rollback,
    counts,
    next.map(({ wasHealthy, presence }) => [wasHealthy, presence]),
    overdue.map(({ cause }) => cause.kind),
    rest.offlineInService.count,
    rest.busyInService,
    rest.hasTouchedHosts,
    rest.hasReachableFailures,
    rest.lastGoodRevisionId === deployment.revisionId,
  ]);
}

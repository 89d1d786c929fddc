import { expect } from 'chai';
import fc from 'fast-check';
import type { Decision } from '../../../../coordinator/rollout/decision.ts';
import { decide } from '../../../../coordinator/rollout/rollout.ts';
import type { RolloutView } from '../../../../coordinator/rollout/view.ts';
import type { MinimumHealthyHosts } from '../../../../shared/model/deployment-config.ts';
import { aPending, aView, NOW } from '../../../support/rollout-view.ts';

/*
 * A fleet in miniature: hosts are healthy or not, the decisions are carried out, hosts in progress end as the generator
 * says. It knows nothing of capacity: what is checked is what the hosts experience.
 */
interface Fleet {
  minimum: MinimumHealthyHosts;
  /** By host: was it healthy before, and does the new revision work on it. */
  hosts: { healthy: boolean; works: boolean; offline: boolean }[];
  /** Which of the hosts in progress ends next. */
  order: number[];
}

const fleets: fc.Arbitrary<Fleet> = fc.record({
  minimum: fc.oneof(
    fc.record({ type: fc.constant('HOST_COUNT' as const), value: fc.nat(14) }),
    fc.record({ type: fc.constant('FLEET_PERCENT' as const), value: fc.nat(99) }),
    fc.constant({ type: 'MOST_CONCURRENCY' as const, value: 1 as const }),
  ),
  hosts: fc.array(
    fc.record({
      healthy: fc.boolean(),
      works: fc.oneof({ weight: 3, arbitrary: fc.constant(true) }, { weight: 1, arbitrary: fc.constant(false) }),
      offline: fc.oneof({ weight: 9, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
    }),
    { minLength: 1, maxLength: 12 },
  ),
  order: fc.array(fc.nat(100), { minLength: 24, maxLength: 24 }),
});

type Status = 'Pending' | 'InProgress' | 'Succeeded' | 'Failed' | 'Skipped';

function play(fleet: Fleet, onRound: (view: RolloutView, decisions: Decision[], inService: number) => void) {
  // The plan's order: hosts that are down first.
  const hosts = [...fleet.hosts].sort((a, b) => Number(a.healthy && !a.offline) - Number(b.healthy && !b.offline));
  const status: Status[] = hosts.map(() => 'Pending');
  let deployment: Partial<RolloutView['deployment']> = { status: 'Created' };
  let end: string | null = null;
  let turn = 0;
  const wasHealthy = (i: number) => hosts[i]!.healthy && !hosts[i]!.offline;
  const count = (wanted: Status) => status.filter((s) => s === wanted).length;
  const inService = () =>
    status.filter((s, i) => s === 'Succeeded' || (wasHealthy(i) && (s === 'Pending' || s === 'Skipped'))).length;
  const viewNow = () =>
    aView({
      total: hosts.length,
      minimum: fleet.minimum,
      inProgress: count('InProgress'),
      succeeded: count('Succeeded'),
      failed: count('Failed'),
      skipped: count('Skipped'),
      pendingUnhealthy: status.filter((s, i) => s === 'Pending' && !wasHealthy(i)).length,
      deployment,
      next: status.flatMap((s, i) =>
        s === 'Pending'
          ? [aPending(i, { wasHealthy: wasHealthy(i), presence: hosts[i]!.offline ? 'Offline' : 'Online' })]
          : [],
      ),
    });

  for (let round = 0; end === null; round++) {
    expect(round, 'rounds').to.be.below(200);
    const view = viewNow();
    const { decisions } = decide(view, NOW);
    expect(decide(structuredClone(view), NOW).decisions).to.deep.equal(decisions);
    for (const decision of decisions)
      if (decision.kind === 'begin') deployment = { status: 'InProgress' };
      else if (decision.kind === 'start-target') status[decision.targetId] = 'InProgress';
      else if (decision.kind === 'fail-target') status[decision.targetId] = 'Failed';
      else if (decision.kind === 'begin-ending') {
        deployment = { ...deployment, ending: { as: decision.as, error: decision.error } };
        status.forEach((s, i) => {
          if (s === 'Pending') status[i] = 'Skipped';
        });
      } else if (decision.kind === 'end') end = decision.status;
    onRound(view, decisions, inService());
    if (decisions.length > 0) continue;
    // Nothing to decide: a host in progress has to end, or the deployment would never.
    const running = status.flatMap((s, i) => (s === 'InProgress' ? [i] : []));
    expect(running, 'hosts in progress while nothing is decided').to.not.deep.equal([]);
    const next = running[(fleet.order[turn++ % fleet.order.length] ?? 0) % running.length]!;
    status[next] = hosts[next]!.works ? 'Succeeded' : 'Failed';
  }
  return {
    end,
    succeeded: count('Succeeded'),
    started: hosts.filter((_, i) => status[i] === 'Succeeded').length,
    status,
    hosts,
  };
}

describe('decide, for any fleet', () => {
  it('never takes hosts out of service below the minimum', () => {
    fc.assert(
      fc.property(fleets, (fleet) => {
        const before = fleet.hosts.filter((host) => host.healthy && !host.offline).length;
        let minimum = 0;
        let failedWhileHealthy = 0;
        play(fleet, (view, decisions, inService) => {
          minimum = view.deployment.minimumHealthyCount;
          // Starting is our doing; that a host then fails is not. So the floor is checked when hosts are started.
          if (!decisions.some((d) => d.kind === 'start-target' && d.wasHealthy)) return;
          failedWhileHealthy = Math.max(failedWhileHealthy, minimum - inService);
        });
        if (before >= minimum) expect(failedWhileHealthy).to.be.at.most(0);
      }),
      { numRuns: 2_000 },
    );
  });

  it('ends, with Succeeded only when enough hosts run the revision', () => {
    fc.assert(
      fc.property(fleets, (fleet) => {
        let minimum = 0;
        const { end, succeeded } = play(fleet, (view) => {
          minimum = view.deployment.minimumHealthyCount;
        });
        if (end === 'Succeeded') expect(succeeded).to.be.at.least(Math.max(1, minimum));
      }),
      { numRuns: 2_000 },
    );
  });

  it('succeeds when the revision works on every host, all are online, and the minimum leaves one to start with', () => {
    fc.assert(
      fc.property(fleets, (fleet) => {
        const good = { ...fleet, hosts: fleet.hosts.map((host) => ({ ...host, works: true, offline: false })) };
        let minimum = 0;
        const { end } = play(good, (view) => {
          minimum = view.deployment.minimumHealthyCount;
        });
        expect(end).to.equal(minimum < good.hosts.length ? 'Succeeded' : 'Failed');
      }),
      { numRuns: 1_000 },
    );
  });

  it('is monotone in failures: one more never lets more hosts start', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 40 }), fc.nat(39), fc.nat(99), (total, failed, percent) => {
        const minimum = { type: 'FLEET_PERCENT', value: percent } as const;
        const starts = (f: number) =>
          decide(aView({ total, minimum, failed: f }), NOW).decisions.filter((d) => d.kind === 'start-target').length;
        const f = Math.min(failed, total - 2);
        expect(starts(f + 1)).to.be.at.most(starts(f));
      }),
    );
  });
});

import { expect } from 'chai';
import type { Decision } from '../../../../coordinator/rollout/decision.ts';
import { decide } from '../../../../coordinator/rollout/rollout.ts';
import type { RevisionId } from '../../../../shared/core/ids.ts';
import { aPending, aView, NOW } from '../../../support/rollout-view.ts';

const half = { type: 'FLEET_PERCENT', value: 50 } as const;
const all = { type: 'FLEET_PERCENT', value: 0 } as const;

function started(decisions: readonly Decision[]): number[] {
  return decisions.flatMap((decision) => (decision.kind === 'start-target' ? [decision.targetId] : []));
}
function kinds(decisions: readonly Decision[]): string[] {
  return decisions.map((decision) => decision.kind);
}
function ended(decisions: readonly Decision[]) {
  return decisions.find((decision) => decision.kind === 'end');
}

describe('decide', () => {
  describe('the beginning', () => {
    it('begins a deployment that was created', () => {
      expect(decide(aView({ deployment: { status: 'Created' } }), NOW).decisions).to.deep.equal([{ kind: 'begin' }]);
    });

    it('ends with NO_INSTANCES when the group selects no host', () => {
      const { decisions } = decide(aView({ total: 0, deployment: { status: 'Created' } }), NOW);
      expect(decisions[0])
        .to.include({ kind: 'end', status: 'Failed' })
        .and.nested.include({ 'error.code': 'NO_INSTANCES' });
    });

    it('touches no host when the minimum can never be met, and says HEALTH_CONSTRAINTS_INVALID', () => {
      const view = aView({ minimum: { type: 'FLEET_PERCENT', value: 95 }, deployment: { status: 'Created' } });
      const { decisions } = decide(view, NOW);
      expect(kinds(decisions)).to.include.members(['begin-ending', 'end']);
      expect(started(decisions)).to.deep.equal([]);
      expect(ended(decisions)).to.nested.include({ 'error.code': 'HEALTH_CONSTRAINTS_INVALID' });
    });

    it('touches no host when what it would be sent is more than it takes', () => {
      const view = aView({ deployment: { status: 'Created', assignmentBytes: 300_000 } });
      const { decisions } = decide(view, NOW);
      expect(started(decisions)).to.deep.equal([]);
      expect(ended(decisions)).to.nested.include({ 'error.code': 'HEALTH_CONSTRAINTS_INVALID' });
      expect(ended(decisions)?.error?.message).to.contain('about 300000 bytes').and.contain('hookEnvironment');
    });
  });

  describe('the size of a batch', () => {
    for (const [what, total, minimum, expected] of [
      ['9 hosts at HalfAtATime: 4', 9, half, 4],
      ['9 hosts with 40 percent: 5', 9, { type: 'FLEET_PERCENT', value: 40 }, 5],
      ['9 hosts with a count of 6: 3', 9, { type: 'HOST_COUNT', value: 6 }, 3],
      ['10 hosts with a count of 9: 1', 10, { type: 'HOST_COUNT', value: 9 }, 1],
      ['10 hosts with a count of 8: 2', 10, { type: 'HOST_COUNT', value: 8 }, 2],
      ['10 hosts with 85 percent: 1', 10, { type: 'FLEET_PERCENT', value: 85 }, 1],
      ['10 hosts OneAtATime: 1', 10, { type: 'MOST_CONCURRENCY', value: 1 }, 1],
      ['10 hosts AllAtOnce: 10', 10, all, 10],
      ['1 host OneAtATime: 1', 1, { type: 'MOST_CONCURRENCY', value: 1 }, 1],
      ['1 host at a percentage: 1, since there is no rolling with one host', 1, half, 1],
      // 7 percent of 100 is 7, although 0.07 * 100 is more than 7 in floating point.
      ['100 hosts with 7 percent: 93', 100, { type: 'FLEET_PERCENT', value: 7 }, 93],
    ] as const)
      it(what, () => {
        expect(started(decide(aView({ total, minimum }), NOW).decisions)).to.have.length(expected);
      });

    it('fills up to the batch while hosts are in progress', () => {
      expect(started(decide(aView({ total: 9, minimum: half, inProgress: 3 }), NOW).decisions)).to.have.length(1);
    });

    it('shrinks by every failure', () => {
      expect(started(decide(aView({ total: 10, minimum: all, failed: 4 }), NOW).decisions)).to.have.length(6);
      expect(started(decide(aView({ total: 9, minimum: half, failed: 2 }), NOW).decisions)).to.have.length(2);
    });

    it('starts in the order of the plan', () => {
      expect(started(decide(aView({ total: 9, minimum: half, succeeded: 2 }), NOW).decisions)).to.deep.equal([
        3, 4, 5, 6,
      ]);
    });
  });

  describe('unhealthy hosts', () => {
    it('hold healthy ones back until they have been attempted', () => {
      const view = aView({
        total: 10,
        minimum: half,
        pendingUnhealthy: 3,
        inProgress: 2,
        // The three are busy with another deployment, so only healthy ones could start.
        next: [aPending(8), aPending(9), aPending(10)],
      });
      expect(decide(view, NOW).decisions).to.deep.equal([]);
    });

    it('are deployed to in batches on a first deployment', () => {
      expect(started(decide(aView({ total: 10, minimum: half, pendingUnhealthy: 10 }), NOW).decisions)).to.have.length(
        5,
      );
    });
  });

  describe('hosts that are not there', () => {
    it('fails an offline host at its turn, by name and with the instant', () => {
      const since = NOW - 60_000;
      const view = aView({ next: [aPending(1, { presence: 'Offline', presenceSince: since }), aPending(2)] });
      expect(decide(view, NOW).decisions).to.deep.equal([
        {
          kind: 'fail-target',
          targetId: 1,
          from: 'Pending',
          wasHealthy: true,
          errorCode: 'HOST_OFFLINE',
          message: `web-1 is offline since ${new Date(since).toISOString()}: nothing was sent to it.`,
        },
      ]);
    });

    it('passes over a host that may come back', () => {
      const view = aView({ next: [aPending(1, { presence: 'Reconnecting' }), aPending(2)] });
      expect(started(decide(view, NOW).decisions)).to.deep.equal([2]);
    });

    it('fails no offline host whose turn has not come, since one before it waits', () => {
      const next = [aPending(4), aPending(5, { presence: 'Offline' })];
      const view = aView({ succeeded: 3, next, view: { offlineInService: { count: 1, awaitedSince: NOW - 1_000 } } });
      expect(decide(view, NOW)).to.deep.equal({ decisions: [], wakeAt: NOW - 1_000 + 300_000 });
    });

    it('does not take another host out while one that was in service is offline', () => {
      const awaitedSince = NOW - 1_000;
      const view = aView({ succeeded: 3, view: { offlineInService: { count: 1, awaitedSince } } });
      expect(decide(view, NOW)).to.deep.equal({ decisions: [], wakeAt: awaitedSince + 300_000 });
    });

    it('does not take another host out while one that counts is being brought in', () => {
      const view = aView({ succeeded: 3, view: { busyInService: 1 } });
      expect(decide(view, NOW).decisions).to.deep.equal([]);
    });

    it('gives up when such a host stays away', () => {
      const view = aView({ succeeded: 3, view: { offlineInService: { count: 1, awaitedSince: NOW - 300_000 } } });
      expect(decide(view, NOW).decisions[0]).to.nested.include({
        kind: 'begin-ending',
        'error.code': 'HEALTH_CONSTRAINTS',
      });
    });
  });

  describe('failures', () => {
    it('end a OneAtATime deployment at once', () => {
      const { decisions } = decide(aView({ succeeded: 3, failed: 1 }), NOW);
      expect(decisions[0]).to.nested.include({
        kind: 'begin-ending',
        as: 'Failed',
        'error.code': 'HEALTH_CONSTRAINTS',
      });
    });

    it('of the last host leave a OneAtATime deployment Succeeded', () => {
      expect(ended(decide(aView({ succeeded: 9, failed: 1 }), NOW).decisions)).to.include({ status: 'Succeeded' });
    });

    it('of the only host fail it', () => {
      expect(ended(decide(aView({ total: 1, failed: 1 }), NOW).decisions)).to.include({ status: 'Failed' });
    });

    it('of all hosts fail AllAtOnce, of all but one do not', () => {
      expect(ended(decide(aView({ minimum: all, failed: 10 }), NOW).decisions)).to.include({ status: 'Failed' });
      expect(ended(decide(aView({ minimum: all, failed: 9, succeeded: 1 }), NOW).decisions)).to.include({
        status: 'Succeeded',
      });
    });

    it('may be one of ten with a minimum of eight; the second ends it, unless it is of the last host', () => {
      const minimum = { type: 'HOST_COUNT', value: 8 } as const;
      expect(started(decide(aView({ total: 10, minimum, failed: 1, succeeded: 3 }), NOW).decisions)).to.have.length(1);
      const second = decide(aView({ total: 10, minimum, failed: 2, succeeded: 3 }), NOW).decisions;
      expect(started(second)).to.deep.equal([]);
      expect(kinds(second)).to.include('begin-ending');
      const last = decide(aView({ total: 10, minimum, failed: 2, succeeded: 8 }), NOW).decisions;
      expect(ended(last)).to.include({ status: 'Succeeded' });
    });

    it('wait for hosts in progress before the end', () => {
      const error = { code: 'HEALTH_CONSTRAINTS', message: 'too many' } as const;
      const ending = { as: 'Failed', error } as const;
      const waiting = aView({ total: 5, failed: 1, skipped: 3, inProgress: 1, deployment: { ending } });
      expect(decide(waiting, NOW).decisions).to.deep.equal([]);
      const over = aView({ total: 5, failed: 1, skipped: 3, succeeded: 1, deployment: { ending } });
      expect(decide(over, NOW).decisions[0]).to.deep.equal({ kind: 'end', status: 'Failed', error });
    });
  });

  describe('time', () => {
    it('fails a host that stays away, one that does not accept, and one that reports nothing', () => {
      const overdue = (cause: object) =>
        decide(
          aView({
            inProgress: 1,
            view: { overdue: [{ targetId: 7, hostName: 'web-7', wasHealthy: true, cause } as never] },
          }),
          NOW,
        ).decisions[0];
      expect(overdue({ kind: 'lost', awaySince: NOW - 400_000 })).to.include({ errorCode: 'HOST_LOST', targetId: 7 });
      expect(overdue({ kind: 'not-accepted', startedAt: 0 })).to.include({ errorCode: 'NOT_ACCEPTED' });
      expect(overdue({ kind: 'no-progress', lifecycleEvent: 'Install' })).to.include({ errorCode: 'EVENT_TIMEOUT' });
    });

    it('ends a deployment whose time is over, hosts in progress included', () => {
      const { decisions } = decide(aView({ inProgress: 1, deployment: { deadlineAt: NOW } }), NOW);
      expect(kinds(decisions)).to.deep.equal(['fail-in-progress', 'begin-ending']);
    });

    it('asks to be called again at the earliest deadline', () => {
      expect(decide(aView({ inProgress: 1, view: { nextDeadlineAt: NOW + 5 } }), NOW).wakeAt).to.equal(NOW + 5);
    });
  });

  describe('a stop', () => {
    it('starts no further host and waits for those in progress', () => {
      const { decisions } = decide(
        aView({ inProgress: 1, deployment: { stopRequest: { by: 'ann', rollback: null } } }),
        NOW,
      );
      expect(decisions).to.have.length(1);
      expect(decisions[0]).to.nested.include({ kind: 'begin-ending', as: 'Stopped', 'error.code': 'MANUAL_STOP' });
    });
  });

  describe('a rollback', () => {
    const over = { total: 10, failed: 1, skipped: 9 };
    const ending = { as: 'Failed', error: { code: 'HEALTH_CONSTRAINTS', message: 'x' } } as const;
    const rollbackOf = (changes: Parameters<typeof aView>[0]) =>
      decide(aView({ ...over, ...changes, deployment: { ending, ...changes?.deployment } }), NOW).decisions.at(-1);

    it('follows a failure, to the last good revision', () => {
      expect(rollbackOf({})).to.deep.equal({ kind: 'create-rollback', revisionId: 'r-old' });
    });

    it('does not follow when none was asked for', () => {
      expect(rollbackOf({ deployment: { autoRollback: { enabled: false, events: [] } } })).to.include({ kind: 'end' });
    });

    it('does not follow a stop unless that was asked for, and the stop itself has the last word', () => {
      const stopped = { ending: { as: 'Stopped', error: { code: 'MANUAL_STOP', message: 'x' } } } as const;
      expect(rollbackOf({ deployment: { ...stopped, stopRequest: { by: 'ann', rollback: null } } })).to.include({
        kind: 'end',
      });
      expect(rollbackOf({ deployment: { ...stopped, stopRequest: { by: 'ann', rollback: true } } })).to.include({
        kind: 'create-rollback',
      });
    });

    for (const [why, changes] of [
      ['there is no earlier success', { view: { lastGoodRevisionId: null } }],
      ['the revision that failed is the last good one', { view: { lastGoodRevisionId: 'r-new' as RevisionId } }],
      ['no host was touched', { view: { hasTouchedHosts: false } }],
      ['a rollback itself failed', { deployment: { creator: 'codeDeployRollback' } }],
    ] as const)
      it(`is not made when ${why}, and the reason is told`, () => {
        const decision = rollbackOf(changes);
        expect(decision).to.include({ kind: 'no-rollback' });
        expect(decision).to.have.property('message').that.is.a('string').with.length.above(20);
      });

    it('heals every unhealthy host even after one could not be healed', () => {
      const view = aView({
        total: 10,
        alreadyCurrent: 5,
        failed: 5 - 3,
        pendingUnhealthy: 3,
        minimum: half,
        deployment: { creator: 'codeDeployRollback' },
      });
      expect(started(decide(view, NOW).decisions)).to.have.length(3);
    });

    it('has failed when a host that can be reached does not run the good revision', () => {
      const view = (hasReachableFailures: boolean) =>
        aView({
          total: 5,
          alreadyCurrent: 4,
          failed: 1,
          deployment: { creator: 'codeDeployRollback' },
          view: { hasReachableFailures },
        });
      expect(ended(decide(view(true), NOW).decisions)).to.include({ status: 'Failed' });
      expect(ended(decide(view(false), NOW).decisions)).to.include({ status: 'Succeeded' });
    });
  });

  it('says nothing about a deployment that has ended', () => {
    expect(decide(aView({ deployment: { status: 'Succeeded' } }), NOW)).to.deep.equal({ decisions: [], wakeAt: null });
  });

  it('refuses counts that do not add up', () => {
    const view = aView();
    expect(() => decide({ ...view, counts: { ...view.counts, pending: 3 } }, NOW)).to.throw('invariant violated');
  });
});

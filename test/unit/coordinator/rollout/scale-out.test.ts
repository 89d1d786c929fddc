import { expect } from 'chai';
import { decideScaleOut, type OwedHost, type ScaleOutView } from '../../../../coordinator/rollout/scale-out.ts';
import type { DeploymentId, HostId, RevisionId } from '../../../../shared/core/ids.ts';

const good = 'r-good' as RevisionId;
const aHost = (name: string, changes: Partial<OwedHost> = {}): OwedHost => ({
  hostId: name as HostId,
  converge: 'entering',
  revisionId: null,
  isUnhealthy: false,
  presence: 'Online',
  ...changes,
});
const decide = (owed: OwedHost[], changes: Partial<ScaleOutView> = {}) =>
  decideScaleOut({ lastGoodRevisionId: good, leavesOutdatedAlone: false, activeDeploymentId: null, owed, ...changes });

describe('decideScaleOut', () => {
  it('brings each entering host in by itself, also while the group is busy', () => {
    const expected = ['a', 'b'].map((hostId) => ({ kind: 'bring-in', hostId, revisionId: good }));
    expect(decide([aHost('a'), aHost('b')])).to.deep.equal(expected);
    expect(decide([aHost('a'), aHost('b')], { activeDeploymentId: 'd-1' as DeploymentId })).to.deep.equal(expected);
  });

  it('waits for a host that is not online', () => {
    expect(decide([aHost('a', { presence: 'Offline' }), aHost('b', { presence: 'Reconnecting' })])).to.deep.equal([]);
  });

  it('owes nothing to a host that runs the good revision, or when there is none', () => {
    expect(decide([aHost('a', { revisionId: good, presence: 'Offline' })])).to.deep.equal([
      { kind: 'settle', hostId: 'a' },
    ]);
    expect(decide([aHost('a')], { lastGoodRevisionId: null })).to.deep.equal([{ kind: 'settle', hostId: 'a' }]);
  });

  it('brings the good revision again to a host that has it and is unhealthy', () => {
    expect(decide([aHost('a', { revisionId: good, isUnhealthy: true })])).to.deep.equal([
      { kind: 'bring-in', hostId: 'a', revisionId: good },
    ]);
  });

  it('lets hosts that are behind follow on together, once the group is free', () => {
    const behind = ['a', 'b'].map((name) => aHost(name, { converge: 'behind', revisionId: 'r-old' as RevisionId }));
    expect(decide(behind)).to.deep.equal([{ kind: 'follow-on', hostIds: ['a', 'b'], revisionId: good }]);
    expect(decide(behind, { activeDeploymentId: 'd-1' as DeploymentId })).to.deep.equal([]);
  });
});

import { expect } from 'chai';
import { createDeployments, type DeploymentsParts } from '../../../../agent/deployment/deployments.ts';
import type { JournalRecord } from '../../../../agent/journal/records.ts';
import { applyRecord, emptyState, renumbered } from '../../../../agent/journal/state.ts';
import { silentLogger } from '../../../../shared/core/logger.ts';
import { anAssignment } from '../../../support/agent-process.ts';
import { createFakeClock } from '../../../support/fake-clock.ts';

const assignment = anAssignment({ digest: 'a'.repeat(64), bytes: new Uint8Array(), bundleType: 'tgz' });
const { deploymentId, deploymentGroupId } = assignment;

function aHost() {
  const state = emptyState('journal-1');
  const append = (...records: JournalRecord[]) => {
    for (const record of records) applyRecord(state, record);
  };
  // The parts that walk a deployment are not reached.
  const deployments = createDeployments({
    journal: { state, append, commit: async () => {}, nextSequence: () => state.lastSequence + 1 },
    clock: createFakeClock(),
    logger: silentLogger,
  } as unknown as DeploymentsParts);
  const install = (revisionId: string, isIntact = true) =>
    append({
      kind: 'installed',
      deploymentGroupId,
      revision: {
        deploymentId: 'd-AAAAAAAAA',
        revisionId,
        revisionLabel: revisionId,
        digest: 'b'.repeat(64),
        archiveRoot: '/r',
        appSpecPath: '/r/appspec.yml',
        at: 1,
        isIntact,
      },
    });
  return { state, append, deployments, install };
}

describe('what a host says of a deployment that it has ended', () => {
  it('is told again under the new numbers of its journal, to a coordinator that was set back', async () => {
    const { state, append, deployments } = aHost();
    append(
      { kind: 'accepted', assignment, report: { kind: 'accepted', sequence: 1, deploymentId, at: 1 } },
      { kind: 'begun', deploymentId },
      {
        kind: 'finished',
        report: { kind: 'finished', sequence: 2, deploymentId, status: 'Succeeded', at: 2, installedRevisionId: 'r-1' },
      },
      { kind: 'acknowledged', sequence: 2 },
    );
    append({ kind: 'checkpoint', state: renumbered(state, 'journal-2') });
    expect(state.reports).to.deep.equal([]);

    expect(await deployments.accept(assignment)).to.equal('repeated');
    expect(state.reports).to.have.length(1);
    expect(state.reports[0]).to.include({ kind: 'finished', sequence: 1, deploymentId, status: 'Succeeded' });

    expect(await deployments.accept(assignment), 'it waits to be sent').to.equal('repeated');
    expect(state.reports).to.have.length(1);
  });

  it('is told again with what is installed by now, to a coordinator that does not know what came after', async () => {
    const { state, append, deployments, install } = aHost();
    install('r-1');
    append({
      kind: 'finished',
      report: { kind: 'finished', sequence: 1, deploymentId, status: 'Succeeded', at: 2, installedRevisionId: 'r-1' },
    });
    append({ kind: 'acknowledged', sequence: 1 });
    install('r-2');
    expect(await deployments.accept(assignment)).to.equal('repeated');
    expect(state.reports[0]).to.include({ deploymentId, status: 'Succeeded', installedRevisionId: 'r-2' });
    append({ kind: 'acknowledged', sequence: 2 });
    append({ kind: 'install-broken', deploymentGroupId });
    await deployments.cancel({ deploymentId, deploymentGroupId, reason: 'it has ended' });
    expect(state.reports[0]).to.include({ deploymentId, status: 'Succeeded', installedRevisionId: null });
  });
});

describe('what a host says of a deployment that it does not begin', () => {
  it('has what is installed there, also when the assignment never arrived', async () => {
    const { state, deployments, install } = aHost();
    install('r-1');
    await deployments.cancel({ deploymentId, deploymentGroupId, reason: 'the deployment was stopped' });
    expect(state.reports[0]).to.include({ kind: 'finished', status: 'Skipped', installedRevisionId: 'r-1' });
  });

  it('has what is installed there when the assignment is refused', async () => {
    const { state, deployments, install } = aHost();
    install('r-1');
    const twice = [...assignment.lifecycleEvents, ...assignment.lifecycleEvents];
    expect(await deployments.accept({ ...assignment, lifecycleEvents: twice })).to.equal('refused');
    expect(state.reports[0]).to.include({ kind: 'finished', status: 'Failed', installedRevisionId: 'r-1' });
  });
});

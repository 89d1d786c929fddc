import { expect } from 'chai';
import { createDeployments, type DeploymentsParts } from '../../../../agent/deployment/deployments.ts';
import type { JournalRecord } from '../../../../agent/journal/records.ts';
import { applyRecord, emptyState, renumbered } from '../../../../agent/journal/state.ts';
import { silentLogger } from '../../../../shared/core/logger.ts';
import { anAssignment } from '../../../support/agent-process.ts';
import { createFakeClock } from '../../../support/fake-clock.ts';

describe('what a host says of a deployment that it has ended', () => {
  const assignment = anAssignment({ digest: 'a'.repeat(64), bytes: new Uint8Array(), bundleType: 'tgz' });
  const { deploymentId } = assignment;
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

  it('is told again under the new numbers of its journal, to a coordinator that was set back', async () => {
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
});

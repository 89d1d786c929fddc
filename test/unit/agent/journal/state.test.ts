import { expect } from 'chai';
import type { JournalRecord } from '../../../../agent/journal/records.ts';
import {
  applyRecord,
  emptyState,
  findDeployment,
  installedRevisions,
  MAX_FINISHED,
  renumbered,
} from '../../../../agent/journal/state.ts';
import { MAX_INSTALLED } from '../../../../shared/protocol/messages.ts';
import { anAssignment } from '../../../support/agent-process.ts';

const assignment = anAssignment({ digest: 'a'.repeat(64), bytes: new Uint8Array(), bundleType: 'tgz' });
const { deploymentId } = assignment;
const accepted = (sequence: number, id = deploymentId): JournalRecord => ({
  kind: 'accepted',
  assignment: { ...assignment, deploymentId: id },
  report: { kind: 'accepted', sequence, deploymentId: id, at: 1 },
});
const finished = (sequence: number, id = deploymentId): JournalRecord => ({
  kind: 'finished',
  report: { kind: 'finished', sequence, deploymentId: id, status: 'Succeeded', at: 2, installedRevisionId: null },
});

function stateAfter(...records: JournalRecord[]) {
  const state = emptyState('journal-1');
  for (const record of records) applyRecord(state, record);
  return state;
}

describe('applyRecord', () => {
  it('keeps reports until they are acknowledged, cumulatively', () => {
    const state = stateAfter(accepted(1), { kind: 'begun', deploymentId }, finished(2));
    expect(state.reports.map((report) => report.sequence)).to.deep.equal([1, 2]);
    applyRecord(state, { kind: 'acknowledged', sequence: 1 });
    expect(state.reports.map((report) => report.sequence)).to.deep.equal([2]);
    applyRecord(state, { kind: 'acknowledged', sequence: 1 });
    expect(state).to.include({ acknowledgedSequence: 1, lastSequence: 2 });
  });

  it('follows an event from its start over its scripts to its report', () => {
    const place = { deploymentId, event: 'AfterInstall', index: 0 };
    const script = {
      location: 'a',
      attempt: 1,
      startedAt: 1,
      deadlineAt: 2,
      bootId: 'b',
      isTimedOut: false,
      ended: null,
    };
    const state = stateAfter(
      accepted(1),
      { kind: 'begun', deploymentId },
      { kind: 'event-started', deploymentId, event: 'AfterInstall', at: 5, timeoutMs: 10 },
      { kind: 'script-starting', ...place, script },
      { kind: 'script-timed-out', ...place },
      { kind: 'script-ended', ...place, ended: { exitCode: 3, signal: null } },
    );
    expect(findDeployment(state, deploymentId)?.events).to.deep.equal([
      {
        event: 'AfterInstall',
        startedAt: 5,
        timeoutMs: 10,
        scripts: [{ ...script, isTimedOut: true, ended: { exitCode: 3, signal: null } }],
        report: null,
      },
    ]);
  });

  it('remembers the last finished deployments only, and each once', () => {
    const state = emptyState('journal-1');
    for (let n = 1; n <= MAX_FINISHED + 5; n++) applyRecord(state, finished(n, `d-${n}`));
    applyRecord(state, finished(MAX_FINISHED + 6, 'd-100'));
    expect(state.finished).to.have.length(MAX_FINISHED);
    expect(state.finished[0]?.deploymentId).to.equal('d-6');
    expect(state.finished.at(-1)).to.include({ deploymentId: 'd-100', sequence: MAX_FINISHED + 6 });
  });

  it('refuses a report out of order, since the coordinator would never acknowledge past it', () => {
    expect(() => stateAfter(accepted(2))).to.throw('invariant violated');
  });

  it('forgets that an installed revision is whole when an install broke it', () => {
    const state = stateAfter({
      kind: 'installed',
      deploymentGroupId: 'g',
      revision: {
        archiveRoot: '/x',
        appSpecPath: 'appspec.yml',
        deploymentId,
        revisionId: 'r-1',
        revisionLabel: '1',
        digest: 'd',
        at: 1,
        isIntact: true,
      },
    });
    applyRecord(state, { kind: 'install-broken', deploymentGroupId: 'g' });
    expect(state.installed['g']?.isIntact).to.equal(false);
  });
});

describe('renumbered', () => {
  it('keeps what waits and numbers it from 1 under another name', () => {
    const state = stateAfter(accepted(1), finished(2), { kind: 'acknowledged', sequence: 1 }, accepted(3, 'd-2'));
    const next = renumbered(state, 'journal-2');
    expect(next).to.include({ journalId: 'journal-2', lastSequence: 2, acknowledgedSequence: 0 });
    expect(next.reports.map((report) => report.sequence)).to.deep.equal([1, 2]);
    expect(next.deployments).to.have.length(1);
  });
});

describe('installedRevisions', () => {
  const installed = (deploymentGroupId: string, at: number): JournalRecord => ({
    kind: 'installed',
    deploymentGroupId,
    revision: {
      deploymentId,
      revisionId: `r-${at}`,
      revisionLabel: 'v',
      digest: 'a'.repeat(64),
      archiveRoot: '/a',
      appSpecPath: '/a/appspec.yml',
      at,
      isIntact: true,
    },
  });

  it('are those that are whole, of each group the last', () => {
    const state = stateAfter(installed('g-1', 1), installed('g-2', 2), installed('g-1', 3), {
      kind: 'install-broken',
      deploymentGroupId: 'g-2',
    });
    expect(installedRevisions(state)).to.deep.equal([{ deploymentGroupId: 'g-1', deploymentId, revisionId: 'r-3' }]);
  });

  it('are so many at the most: of more groups those that were deployed to last', () => {
    const state = stateAfter(...Array.from({ length: MAX_INSTALLED + 2 }, (_, at) => installed(`g-${at}`, at)));
    const told = installedRevisions(state).map(({ revisionId }) => revisionId);
    expect(told).to.have.length(MAX_INSTALLED);
    expect(told)
      .to.include(`r-${MAX_INSTALLED + 1}`)
      .and.not.include('r-1');
  });
});

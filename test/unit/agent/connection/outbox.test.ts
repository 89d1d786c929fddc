import { expect } from 'chai';
import { createOutbox } from '../../../../agent/connection/outbox.ts';
import { applyRecord, emptyState, renumbered } from '../../../../agent/journal/state.ts';
import { silentLogger } from '../../../../shared/core/logger.ts';
import { type AgentMessage, MAX_FRAME_BYTES, MAX_REPORTS_PER_FRAME } from '../../../../shared/protocol/messages.ts';
import { createFakeClock } from '../../../support/fake-clock.ts';

function setUp() {
  const state = emptyState('journal-1');
  const frames: AgentMessage[] = [];
  const clock = createFakeClock();
  let durable = 0;
  let isFull = false;
  let renumbered = 0;
  const outbox = createOutbox({
    journal: {
      state,
      get durableSequence() {
        return durable;
      },
      append: (...records) => {
        for (const record of records) applyRecord(state, record);
      },
      renumber: async () => {
        renumbered++;
      },
    },
    clock,
    logger: silentLogger,
    send: (message) => {
      if (isFull) return false;
      frames.push(message);
      return true;
    },
    onRenumbered: () => {},
    onFailure: (error) => {
      throw error;
    },
  });
  return {
    outbox,
    clock,
    state,
    renumberings: () => renumbered,
    fill: (value: boolean) => {
      isFull = value;
    },
    report(count: number, message = '') {
      for (let n = 0; n < count; n++)
        applyRecord(state, {
          kind: 'finished',
          report: {
            kind: 'finished',
            sequence: state.lastSequence + 1,
            deploymentId: 'd-000000001',
            status: 'Failed',
            at: 1,
            installedRevisionId: null,
            message,
          },
        });
    },
    commit() {
      durable = state.lastSequence;
      outbox.wake();
    },
    sequences: () => frames.map((frame) => (frame.kind === 'reports' ? frame.items.map((item) => item.sequence) : [])),
    frames,
  };
}

describe('the outbox', () => {
  it('sends nothing that is not durable, and in one frame what became durable together', async () => {
    const { outbox, report, commit, sequences, clock } = setUp();
    outbox.connected(0);
    report(3);
    outbox.wake();
    await clock.advance(0);
    expect(sequences()).to.deep.equal([]);
    commit();
    outbox.wake();
    await clock.advance(0);
    expect(sequences()).to.deep.equal([[1, 2, 3]]);
  });

  it('sends again after a new connection from where the coordinator is, and forgets what is acknowledged', async () => {
    const { outbox, report, commit, sequences, clock, state } = setUp();
    outbox.connected(0);
    report(4);
    commit();
    await clock.advance(0);
    outbox.disconnected();
    outbox.connected(2);
    await clock.advance(0);
    expect(sequences()).to.deep.equal([
      [1, 2, 3, 4],
      [3, 4],
    ]);
    outbox.acknowledged(4);
    expect(state.reports).to.deep.equal([]);
    await outbox.flushed();
  });

  it('tells once on each connection what is installed, with what is sent first', async () => {
    const { outbox, report, commit, frames, state, clock } = setUp();
    const revision = { revisionId: 'r-1', revisionLabel: '1', digest: 'a', archiveRoot: '/a', appSpecPath: '/a/b' };
    applyRecord(state, {
      kind: 'installed',
      deploymentGroupId: 'g-1',
      revision: { deploymentId: 'd-000000001', at: 1, isIntact: true, ...revision },
    });
    const installed = [{ deploymentGroupId: 'g-1', deploymentId: 'd-000000001', revisionId: 'r-1' }];
    outbox.connected(0);
    await clock.advance(0);
    expect(frames).to.deep.equal([{ kind: 'reports', items: [], installed }]);
    outbox.disconnected();
    report(2);
    commit();
    outbox.connected(0);
    await clock.advance(0);
    report(1);
    commit();
    outbox.acknowledged(2);
    await clock.advance(0);
    expect(frames.slice(1)).to.have.length(2);
    expect(frames[1]).to.deep.include({ installed });
    expect(frames[2]).not.to.have.property('installed');
  });

  it('keeps frames within their number of reports and their bytes', async () => {
    const { outbox, report, commit, frames, clock } = setUp();
    outbox.connected(0);
    report(200, 'x'.repeat(4_000));
    commit();
    for (let turn = 0; turn < 20; turn++) {
      await clock.advance(0);
      const last = frames.at(-1);
      if (last?.kind === 'reports') outbox.acknowledged(last.items.at(-1)?.sequence ?? 0);
    }
    const sent = frames.flatMap((frame) => (frame.kind === 'reports' ? frame.items : []));
    expect(sent.map((item) => item.sequence)).to.deep.equal(Array.from({ length: 200 }, (_, index) => index + 1));
    for (const frame of frames) {
      expect(Buffer.byteLength(JSON.stringify(frame))).to.be.at.most(MAX_FRAME_BYTES);
      expect(frame.kind === 'reports' ? frame.items.length : 0).to.be.at.most(MAX_REPORTS_PER_FRAME);
    }
  });

  it('tries again when the queue of the connection was full', async () => {
    const { outbox, report, commit, sequences, clock, fill } = setUp();
    outbox.connected(0);
    fill(true);
    report(1);
    commit();
    await clock.advance(0);
    fill(false);
    await clock.advance(1_000);
    expect(sequences()).to.deep.equal([[1]]);
  });

  it('ignores an acknowledgement of what was never sent', async () => {
    const { outbox, report, commit, clock, state } = setUp();
    outbox.connected(0);
    outbox.acknowledged(7);
    report(1);
    commit();
    await clock.advance(0);
    expect(state.reports).to.have.length(1);
    expect(state.acknowledgedSequence).to.equal(0);
  });

  it('asks for a new journal when the coordinator knows more than the host', () => {
    const { outbox, renumberings } = setUp();
    outbox.connected(5);
    expect(renumberings()).to.equal(1);
  });

  it('asks for a new journal when the coordinator has forgotten what it acknowledged', () => {
    const { outbox, report, state, renumberings } = setUp();
    report(3);
    applyRecord(state, { kind: 'acknowledged', sequence: 2 });
    outbox.connected(1);
    expect(renumberings()).to.equal(1);
  });

  it('takes no old number for one of the new journal, which came with output before the next connection', async () => {
    const { outbox, report, commit, state, clock } = setUp();
    report(5);
    outbox.connected(0);
    commit();
    await clock.advance(0);
    outbox.acknowledged(5);
    outbox.disconnected();
    report(2);
    outbox.connected(3);
    applyRecord(state, { kind: 'checkpoint', state: renumbered(state, 'journal-2') });
    outbox.acknowledged(3);
    expect(state.reports.map(({ sequence }) => sequence)).to.deep.equal([1, 2]);
  });

  it('tells a running event only when it lasts, and again on a new connection', async () => {
    const { outbox, frames, clock } = setUp();
    outbox.connected(0);
    const event = { deploymentId: 'd-000000001', event: 'AfterInstall', startedAt: 1, timeoutMs: 1_000 };
    outbox.running(event);
    await clock.advance(10);
    outbox.running(null);
    await clock.advance(100);
    expect(frames).to.deep.equal([]);
    outbox.running(event);
    await clock.advance(100);
    outbox.disconnected();
    outbox.connected(0);
    await clock.advance(0);
    expect(frames).to.deep.equal([
      { kind: 'reports', items: [], running: [event] },
      { kind: 'reports', items: [], running: [event] },
    ]);
  });
});

import { expect } from 'chai';
import fc from 'fast-check';
import {
  type AgentUpdateView,
  CONFIRM_WITHIN_MS,
  decideAgentUpdate,
  hostsOf,
  type WaveProgress,
} from '../../../../coordinator/rollout/agent-update.ts';

const NOW = 1_000_000;

function aView(fields: Partial<AgentUpdateView> = {}): AgentUpdateView {
  return {
    version: '0.2.0',
    waves: ['1', '10%', '100%'],
    budget: '10%',
    totalHosts: 50,
    stopRequestedBy: null,
    progress: [],
    waiting: { online: 50, reconnecting: 0, offline: 0 },
    ...fields,
  };
}

function aWave(fields: Partial<WaveProgress> = {}): WaveProgress {
  return {
    deploymentId: 'd-WAVE00001',
    ended: { status: 'Succeeded', at: NOW },
    isStopping: false,
    hosts: 1,
    failed: 0,
    unconfirmed: [],
    ...fields,
  };
}

describe('decideAgentUpdate', () => {
  it('begins with one host, goes on to a tenth, and then to all', () => {
    const view = aView();
    expect(decideAgentUpdate(view, NOW)).to.deep.equal({ kind: 'start-wave', hosts: 1, atOnce: 1 });
    view.progress = [aWave()];
    view.waiting.online = 49;
    expect(decideAgentUpdate(view, NOW)).to.deep.equal({ kind: 'start-wave', hosts: 4, atOnce: 1 });
    view.progress = [aWave(), aWave({ hosts: 4 })];
    view.waiting.online = 45;
    expect(decideAgentUpdate(view, NOW)).to.deep.equal({ kind: 'start-wave', hosts: 45, atOnce: 5 });
    view.progress = [aWave(), aWave({ hosts: 4 }), aWave({ hosts: 45 })];
    view.waiting.online = 0;
    expect(decideAgentUpdate(view, NOW)).to.deep.equal({
      kind: 'end',
      status: 'Succeeded',
      message: '50 hosts run 0.2.0',
    });
  });

  it('passes a wave over that would add no host', () => {
    const view = aView({ totalHosts: 5, progress: [aWave()], waiting: { online: 4, reconnecting: 0, offline: 0 } });
    expect(decideAgentUpdate(view, NOW)).to.deep.include({ kind: 'start-wave', hosts: 4 });
  });

  it('stays with the first hosts when nobody asked for more waves, and says who had no turn', () => {
    const view = aView({ waves: ['1'], progress: [aWave()], waiting: { online: 48, reconnecting: 0, offline: 1 } });
    expect(decideAgentUpdate(view, NOW)).to.deep.include({
      kind: 'end',
      status: 'Succeeded',
      message: '1 host run 0.2.0; 49 hosts had no turn',
    });
  });

  it('waits while a wave is under way', () => {
    expect(decideAgentUpdate(aView({ progress: [aWave({ ended: null })] }), NOW)).to.include({ kind: 'wait' });
  });

  it('ends with a wave that failed, and starts no other', () => {
    for (const wave of [
      aWave({ ended: { status: 'Failed', at: NOW }, failed: 1 }),
      // The deployment itself may count a failure of its last host as within its minimum.
      aWave({ hosts: 4, failed: 1 }),
    ])
      expect(decideAgentUpdate(aView({ progress: [wave] }), NOW)).to.include({ kind: 'end', status: 'Failed' });
  });

  it('goes on after failures that the budget allows', () => {
    const view = aView({ budget: '50%', progress: [aWave({ hosts: 4, failed: 1 })] });
    expect(decideAgentUpdate(view, NOW)).to.include({ kind: 'start-wave' });
  });

  it('believes a wave only when its hosts say that they have the version, and waits a moment for that', () => {
    const view = aView({ progress: [aWave({ unconfirmed: ['web-1'] })] });
    expect(decideAgentUpdate(view, NOW + CONFIRM_WITHIN_MS - 1)).to.include({ kind: 'wait' });
    const late = decideAgentUpdate(view, NOW + CONFIRM_WITHIN_MS);
    expect(late).to.include({ kind: 'end', status: 'Failed' });
    expect(late).to.have.property('message').that.includes('web-1 did not connect as 0.2.0');
  });

  it('takes nobody for gone who has been silent for a moment only', () => {
    const view = aView({ progress: [aWave()], waiting: { online: 0, reconnecting: 49, offline: 0 } });
    expect(decideAgentUpdate(view, NOW)).to.include({ kind: 'wait' });
  });

  it('leaves hosts that are away for a later update', () => {
    const view = aView({
      totalHosts: 2,
      progress: [aWave()],
      waiting: { online: 0, reconnecting: 0, offline: 1 },
    });
    expect(decideAgentUpdate(view, NOW)).to.deep.include({
      status: 'Succeeded',
      message: '1 host run 0.2.0; 1 host had no turn',
    });
  });

  it('fails when every host has gone before the first wave', () => {
    const view = aView({ waiting: { online: 0, reconnecting: 0, offline: 50 } });
    expect(decideAgentUpdate(view, NOW)).to.include({ kind: 'end', status: 'Failed' });
  });

  it('stops the deployment under way once, waits for it, and ends', () => {
    const view = aView({ stopRequestedBy: 'ana', progress: [aWave({ ended: null })] });
    expect(decideAgentUpdate(view, NOW)).to.deep.equal({ kind: 'stop-deployment', deploymentId: 'd-WAVE00001' });
    view.progress = [aWave({ ended: null, isStopping: true })];
    expect(decideAgentUpdate(view, NOW)).to.include({ kind: 'wait' });
    view.progress = [aWave({ ended: { status: 'Stopped', at: NOW } })];
    expect(decideAgentUpdate(view, NOW)).to.deep.include({ kind: 'end', status: 'Stopped' });
  });

  it('stops between two waves', () => {
    const view = aView({ stopRequestedBy: 'ana', progress: [aWave()] });
    expect(decideAgentUpdate(view, NOW)).to.deep.equal({ kind: 'end', status: 'Stopped', message: 'stopped by ana' });
  });

  it('ends when somebody stops its deployment', () => {
    const view = aView({ progress: [aWave({ ended: { status: 'Stopped', at: NOW } })] });
    expect(decideAgentUpdate(view, NOW)).to.include({ kind: 'end', status: 'Stopped' });
  });

  it('gives every host one turn and ends, whatever waves, budget and fleet', () => {
    const share = fc.oneof(
      fc.integer({ min: 1, max: 200 }).map(String),
      fc.integer({ min: 1, max: 100 }).map((percent) => `${percent}%`),
    );
    fc.assert(
      fc.property(
        fc.array(share, { minLength: 1, maxLength: 9 }),
        share,
        fc.integer({ min: 1, max: 300 }),
        (waves, budget, totalHosts) => {
          const view = aView({ waves: [...waves, '100%'], budget, totalHosts });
          view.waiting.online = totalHosts;
          for (let round = 0; round <= waves.length + 1; round++) {
            const decision = decideAgentUpdate(view, NOW);
            expect(decideAgentUpdate(view, NOW)).to.deep.equal(decision);
            if (decision.kind === 'end') {
              expect(decision.status).to.equal('Succeeded');
              expect(view.waiting.online).to.equal(0);
              return;
            }
            if (decision.kind !== 'start-wave') throw new Error(`unexpected ${decision.kind}`);
            expect(decision.hosts).to.be.within(1, view.waiting.online);
            expect(decision.atOnce).to.be.within(1, decision.hosts);
            view.waiting.online -= decision.hosts;
            view.progress = [...view.progress, aWave({ hosts: decision.hosts })];
          }
          throw new Error('it does not end');
        },
      ),
    );
  });
});

describe('hostsOf', () => {
  it('rounds a share up, to one host at least and all of them at most', () => {
    expect(hostsOf('10%', 1)).to.equal(1);
    expect(hostsOf('10%', 11)).to.equal(2);
    expect(hostsOf('100%', 7)).to.equal(7);
    expect(hostsOf('5', 3)).to.equal(3);
    expect(hostsOf('7%', 100)).to.equal(7);
  });
});

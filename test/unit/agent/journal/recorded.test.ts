import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { readLines } from '../../../../agent/journal/records.ts';
import { applyRecord, emptyState } from '../../../../agent/journal/state.ts';

/** As an agent 0.1.0 left it that was stopped in the third of three deployments, inside a script. Never edited. */
const RECORDED = new URL('../../../fixtures/recorded/journal-0.1.0', import.meta.url);

describe('a journal that an agent 0.1.0 wrote', () => {
  it('is read to its last record: what was installed, what ended how, and what is in the middle', () => {
    const bytes = readFileSync(RECORDED);
    const read = readLines(bytes);
    if (!read.ok) return expect.fail(`${read.offset}: ${read.message}`);
    expect(read.wholeBytes).to.equal(bytes.length);
    const state = emptyState('');
    for (const record of read.records) applyRecord(state, record);
    expect(state.finished.map((report) => report.status)).to.deep.equal(['Succeeded', 'Failed']);
    expect(Object.values(state.installed).map((revision) => revision.revisionLabel)).to.deep.equal(['b']);
    const [deployment, ...others] = state.deployments;
    expect(others).to.deep.equal([]);
    expect(deployment).to.deep.include({ isBegun: true });
    expect(deployment?.events.at(-1)).to.have.property('event', 'BeforeInstall');
    expect(deployment?.events.at(-1)?.scripts).to.have.length(1);
    expect(deployment?.events.at(-1)?.scripts[0]).to.include({ location: 'a.sh', attempt: 1, ended: null });
    expect(state.acknowledgedSequence).to.equal(state.lastSequence);
  });
});

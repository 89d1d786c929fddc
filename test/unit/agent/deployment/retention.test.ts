import { expect } from 'chai';
import { eventOfLog, isPathSegment } from '../../../../agent/deployment/layout.ts';
import { outdatedDeployments } from '../../../../agent/deployment/retention.ts';

const directories = [1, 2, 3, 4, 5].map((n) => ({ deploymentId: `d-${n}`, modifiedAt: n }));

describe('outdatedDeployments', () => {
  it('89. names all but the newest', () => {
    const keep = { needed: new Set<string>(), maxRevisions: 3 };
    expect(outdatedDeployments(directories, keep)).to.deep.equal(['d-2', 'd-1']);
  });

  it('89. never names one that is installed, running or waiting', () => {
    const keep = { needed: new Set(['d-1']), maxRevisions: 1 };
    expect(outdatedDeployments(directories, keep)).to.deep.equal(['d-4', 'd-3', 'd-2']);
  });
});

describe('isPathSegment', () => {
  it('refuses what would lead elsewhere', () => {
    for (const id of ['', '.', '..', 'a/b', '../x', '-rf', 'a\0b', ' a', 'x'.repeat(129)])
      expect(isPathSegment(id), JSON.stringify(id)).to.equal(false);
    for (const id of ['group-1', 'default-local-deployment-group', '0b5d7a2e-1f2a-4a7e-9d69-1d4d1a2b3c4d'])
      expect(isPathSegment(id), id).to.equal(true);
  });
});

describe('eventOfLog', () => {
  it('takes the event from the name, and nothing from the log of all scripts', () => {
    expect(eventOfLog('AfterInstall.log')).to.equal('AfterInstall');
    expect(eventOfLog('scripts.log')).to.equal(null);
    expect(eventOfLog('AfterInstall.log.1')).to.equal(null);
  });
});

import { expect } from 'chai';
import { planLines } from '../../../../../coordinator/cli/render/plan-lines.ts';
import { aGroup, aGroupHost, aRevision } from '../../../../support/api-samples.ts';
import { plainStyle } from '../../../../support/cli-style.ts';

const revision = aRevision();
const config = {
  name: 'CodeDeployDefault.OneAtATime',
  minimumHealthyHosts: { type: 'MOST_CONCURRENCY', value: 1 },
  isPredefined: true,
  createdAt: 0,
} as const;
const old = aGroupHost('web-1');
const current = aGroupHost('web-2', { revisionId: revision.id });
const offline = aGroupHost('web-3', { presence: 'Offline' });
const offlineAndCurrent = aGroupHost('web-4', { presence: 'Offline', revisionId: revision.id });

describe('planLines', () => {
  const plan = { group: aGroup(), config, revision, isOutdatedOnly: false };

  it('tells of a whole group what runs the revision, what is offline, and what stays in service', () => {
    const hosts = [old, current, offline];
    expect(planLines({ ...plan, hosts, part: null }, plainStyle)).to.deep.equal([
      'Plan: 1.8.4 -> 1.9.0 on 3 hosts, CodeDeployDefault.OneAtATime. In service never below 2. The 1st failure stops it and rolls back to 1.8.4.',
      '  1 of 3 run it already.',
      '  1 host offline, and will fail: web-3',
    ]);
  });

  it('tells of a part what is true of that part', () => {
    const hosts = [old, current, offline];
    expect(planLines({ ...plan, hosts, part: [old, current] }, plainStyle)).to.deep.equal([
      'Plan: 1.8.4 -> 1.9.0 on 2 of 3 hosts, CodeDeployDefault.OneAtATime.',
      '  1 of 2 run it already.',
    ]);
  });

  it('names one revision where the group has it as its good one already', () => {
    const good = { id: aGroup().lastGoodRevisionId ?? '', label: '1.8.4' };
    const [line] = planLines({ ...plan, revision: good, hosts: [old, current], part: null }, plainStyle);
    expect(line).to.match(/^Plan: 1\.8\.4 on 2 hosts, /);
  });

  it('does not expect a host to fail that is left out since it runs the revision', () => {
    const hosts = [old, offlineAndCurrent];
    expect(planLines({ ...plan, hosts, part: null, isOutdatedOnly: true }, plainStyle).slice(1)).to.deep.equal([
      '  1 of 2 run it already.',
    ]);
  });
});

import { expect } from 'chai';
import { groupLines, selectionText } from '../../../../../coordinator/cli/render/group-lines.ts';
import { aGroup, aGroupHost } from '../../../../support/api-samples.ts';
import { plainStyle } from '../../../../support/cli-style.ts';

describe('selectionText', () => {
  const selection = { tagFilters: [], tagSet: [], hostNames: [], scalingGroups: [] };
  const web = { type: 'KEY_AND_VALUE', key: 'role', value: 'web' } as const;
  const tier = { type: 'KEY_ONLY', key: 'tier' } as const;

  it('names every source of hosts, the other tag sets included', () => {
    expect(selectionText(aGroup({ selection }))).to.equal('none selected');
    const all = {
      tagFilters: [web, tier],
      tagSet: [[web], [tier, web]],
      alternativeTagSets: [[[tier]]],
      hostNames: ['web-9'],
      scalingGroups: ['edge'],
    };
    expect(selectionText(aGroup({ selection: all }))).to.equal(
      'role=web or tier; (role=web) and (tier or role=web); (tier); host web-9; scaling group edge',
    );
  });
});

describe('groupLines', () => {
  it('names a revision that is not known here by its id: the host runs something', () => {
    const hosts = [
      aGroupHost('web-1', { revisionLabel: null, revisionId: 'r-bbbbbbbbbbbb', revisionHealth: 'Old' }),
      aGroupHost('web-2', { revisionLabel: null, revisionId: null, revisionHealth: 'Unknown' }),
      aGroupHost('web-3'),
    ];
    const revisions = groupLines(aGroup(), hosts, 100, plainStyle)
      .slice(-3)
      .map((line) => /Healthy +(.*?) {2}/.exec(line)?.[1]);
    expect(revisions).to.deep.equal(['unknown (r-bbbbbbbbbbbb)', 'none', '1.8.4 (current)']);
  });
});

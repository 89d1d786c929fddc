import { expect } from 'chai';
import { selectionText } from '../../../../../coordinator/cli/render/group-lines.ts';
import { aGroup } from '../../../../support/api-samples.ts';

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

import { expect } from 'chai';
import { tagFilterOf } from '../../../../coordinator/cli/commands/deploy.ts';
import { typedConfirmation } from '../../../../coordinator/cli/confirmation.ts';
import { idInReference, isDeploymentReference, parseGroup } from '../../../../coordinator/cli/references.ts';

describe('references', () => {
  it('takes an id, its beginning in any case, and an address of the console', () => {
    expect(idInReference('d-8K1M2N3P4')).to.equal('d-8K1M2N3P4');
    expect(idInReference('8k1m')).to.equal('d-8K1M');
    expect(idInReference('https://drover.example/deployments/d-8K1M2N3P4?tab=why')).to.equal('d-8K1M2N3P4');
  });

  it('tells a deployment from a group', () => {
    expect(['last', '-', 'd-8K', 'https://x/deployments/d-8K1M2N3P4'].map(isDeploymentReference)).to.deep.equal([
      true,
      true,
      true,
      true,
    ]);
    expect(['web/prod', 'web'].map(isDeploymentReference)).to.deep.equal([false, false]);
  });

  it('wants both parts of a group, and no more', () => {
    expect(parseGroup('web/prod')).to.deep.equal({ application: 'web', group: 'prod' });
    for (const wrong of ['web', 'web/', '/prod', 'a/b/c']) expect(() => parseGroup(wrong)).to.throw(/<app>\/<group>/);
  });

  it('reads the three kinds of tag filters', () => {
    expect(tagFilterOf('role=web=1')).to.deep.equal({ type: 'KEY_AND_VALUE', key: 'role', value: 'web=1' });
    expect(tagFilterOf('role')).to.deep.equal({ type: 'KEY_ONLY', key: 'role' });
    expect(tagFilterOf('=web')).to.deep.equal({ type: 'VALUE_ONLY', value: 'web' });
  });
});

describe('typedConfirmation', () => {
  const place = { application: 'web', group: 'prod', context: { name: 'acme' }, hostCount: 5 };

  it('asks for the name of a place that is production by its name or its context', () => {
    expect(typedConfirmation(place)).to.equal('web/prod');
    expect(typedConfirmation({ ...place, group: 'eu-production-2' })).to.equal('web/eu-production-2');
    expect(typedConfirmation({ ...place, group: 'blue', context: { name: 'acme-prod' } })).to.equal('web/blue');
  });

  it('is content with a yes elsewhere, and for a single host', () => {
    expect(typedConfirmation({ ...place, group: 'staging' })).to.equal(undefined);
    expect(typedConfirmation({ ...place, group: 'reproduce' })).to.equal(undefined);
    expect(typedConfirmation({ ...place, hostCount: 1 })).to.equal(undefined);
  });
});

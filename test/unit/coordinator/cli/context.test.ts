import { expect } from 'chai';
import { type Contexts, chooseContext } from '../../../../coordinator/cli/context.ts';
import { CommandFailure } from '../../../../coordinator/cli/exit-codes.ts';

const contexts: Contexts = {
  version: 1,
  current: 'prod',
  contexts: {
    prod: { url: 'https://prod.example', token: 'prod-token', caFile: '/ca.pem' },
    staging: { url: 'https://staging.example', token: 'staging-token' },
  },
};
const none: Contexts = { version: 1, current: null, contexts: {} };

describe('chooseContext', () => {
  it('takes the context in use', () => {
    expect(chooseContext(contexts, {}, undefined)).to.deep.equal({
      name: 'prod',
      url: 'https://prod.example',
      token: 'prod-token',
      caFile: '/ca.pem',
    });
  });

  it('lets the environment win over it, and --context over the environment', () => {
    expect(chooseContext(contexts, { DROVER_CONTEXT: 'staging' }, undefined).name).to.equal('staging');
    expect(
      chooseContext(contexts, { DROVER_URL: 'https://other.example', DROVER_TOKEN: 't' }, undefined),
    ).to.deep.equal({
      name: null,
      url: 'https://other.example',
      token: 't',
      caFile: undefined,
    });
    expect(chooseContext(contexts, { DROVER_URL: 'https://other.example' }, 'staging').url).to.equal(
      'https://staging.example',
    );
  });

  it('never gives a stored token to another address', () => {
    expect(chooseContext(contexts, { DROVER_URL: 'https://evil.example' }, undefined).token).to.equal(undefined);
    expect(chooseContext(contexts, { DROVER_URL: 'https://prod.example/' }, undefined).token).to.equal('prod-token');
  });

  it('lets DROVER_TOKEN and DROVER_CA_FILE replace the stored ones', () => {
    const env = { DROVER_TOKEN: 'mine', DROVER_CA_FILE: '/mine.pem' };
    expect(chooseContext(contexts, env, undefined)).to.include({ token: 'mine', caFile: '/mine.pem' });
  });

  it('does not show DROVER_TOKEN to a context that is named with --context, unless that has none of its own', () => {
    const env = { DROVER_TOKEN: 'mine', DROVER_CA_FILE: '/mine.pem' };
    expect(chooseContext(contexts, env, 'staging')).to.include({ token: 'staging-token', caFile: '/mine.pem' });
    expect(chooseContext(contexts, env, 'prod')).to.include({ token: 'prod-token', caFile: '/ca.pem' });
    const bare = { ...contexts, contexts: { staging: { url: 'https://staging.example' } } };
    expect(chooseContext(bare, env, 'staging')).to.include({ token: 'mine' });
  });

  it('says how to log in when there is nothing, and what there is when a name is wrong', () => {
    expect(() => chooseContext(none, {}, undefined)).to.throw(CommandFailure, /not logged in/);
    try {
      chooseContext(contexts, {}, 'stagin');
      expect.fail('expected it to fail');
    } catch (error) {
      expect((error as CommandFailure).exit).to.equal('not-found');
      expect((error as CommandFailure).hint).to.contain('prod, staging');
    }
  });
});

import { expect } from 'chai';
import { networkError } from '../../../../shared/sdk/network-errors.ts';
import { problemToError } from '../../../../shared/sdk/problem.ts';

const body = (fields: object) =>
  JSON.stringify({ type: 'about:blank', title: 't', status: 409, code: 'conflict', detail: 'busy', ...fields });

describe('problemToError', () => {
  it('keeps code, sentence, hint and details, and adds the request id', () => {
    const error = problemToError(
      409,
      body({ hint: 'wait', requestId: 'req-7', details: { activeDeploymentId: 'd-1' } }),
      'POST /v1/deployments',
    );
    expect(error.code).to.equal('conflict');
    expect(error.message).to.equal('busy');
    expect(error.hint).to.equal('wait');
    expect(error.details).to.deep.equal({ activeDeploymentId: 'd-1', requestId: 'req-7' });
  });

  it('takes the code from the status when a newer coordinator has one that is not known here', () => {
    expect(problemToError(409, body({ code: 'frozen' }), 'x').code).to.equal('conflict');
    expect(problemToError(418, body({ code: 'teapot' }), 'x').code).to.equal('internal');
  });

  it('says of an answer in another form that a proxy may have given it', () => {
    const error = problemToError(502, '<html>Bad Gateway</html>', 'GET https://drover.example/v1/hosts');
    expect(error.code).to.equal('unavailable');
    expect(error.message).to.contain('GET https://drover.example/v1/hosts answered 502');
    expect(error.hint).to.contain('proxy');
    expect(problemToError(404, 'nope', 'x').code).to.equal('unavailable');
    expect(problemToError(401, 'nope', 'x').code).to.equal('unauthorized');
  });
});

describe('networkError', () => {
  const wrapped = (code: string) =>
    new TypeError('fetch failed', { cause: Object.assign(new Error('inner'), { code }) });

  it('finds the reason below what fetch throws, and says what to do', () => {
    const error = networkError('https://drover.example', wrapped('ECONNREFUSED'));
    expect(error.code).to.equal('unavailable');
    expect(error.message).to.equal('cannot reach https://drover.example: connection refused');
    expect(error.hint).to.contain('running');
    expect(error.details).to.deep.equal({ reason: 'ECONNREFUSED' });
  });

  it('tells an unknown authority from an expired certificate', () => {
    expect(networkError('x', wrapped('SELF_SIGNED_CERT_IN_CHAIN')).hint).to.contain('DROVER_CA_FILE');
    expect(networkError('x', wrapped('CERT_HAS_EXPIRED')).message).to.contain('expired');
  });

  it('gives the deepest sentence of a reason that it does not know', () => {
    const error = networkError('x', new TypeError('fetch failed', { cause: new Error('bad port') }));
    expect(error.message).to.equal('cannot reach x: bad port');
  });
});

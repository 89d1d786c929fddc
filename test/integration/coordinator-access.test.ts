import { expect } from 'chai';
import type { Route } from '../../shared/api/route.ts';
import { problemBody } from '../../shared/api/route.ts';
import { routes } from '../../shared/api/routes.ts';
import { at, startTestCoordinator, type TestCoordinator, textAt } from '../support/coordinator.ts';
import { enrolHost, openSession } from '../support/raw-agent.ts';
import { sendPlainlySigned } from '../support/signed-requests.ts';

const ROLES = ['viewer', 'deployer', 'admin'] as const;

describe('who may call the coordinator', () => {
  let coordinator: TestCoordinator;
  const tokens: Record<string, string> = {};
  before(async () => {
    coordinator = await startTestCoordinator();
    for (const role of ROLES) {
      const { body } = await coordinator.call('POST', '/v1/operator-tokens', { body: { name: `a-${role}`, role } });
      tokens[role] = textAt(body, 'secret');
    }
    tokens['host'] = await openSession(coordinator, await enrolHost(coordinator, 'web-1'));
  });
  after(() => coordinator.remove());

  for (const [name, route] of Object.entries<Route>(routes)) {
    const path = route.path.replaceAll(/:([A-Za-z]+)/g, 'does-not-exist');
    // A body of the wrong shape: a caller who may call is told that, and nothing is changed.
    const body = route.method === 'GET' || route.method === 'DELETE' ? undefined : { 'no-such-key': 1 };
    const ask = async (token: string | null) =>
      (await coordinator.call(route.method, path, { token, ...(body === undefined ? {} : { body }) })).status;

    it(`${name} (${route.caller}): ${route.method} ${route.path}`, async () => {
      const isOpen = route.caller === 'anybody';
      const allowed = { viewer: 0, deployer: 1, admin: 2, host: 9, anybody: -1 }[route.caller];
      for (const [rank, role] of ROLES.entries())
        if (isOpen || rank >= allowed) expect(await ask(tokens[role] ?? ''), role).not.to.be.oneOf([401, 403]);
        else expect(await ask(tokens[role] ?? ''), role).to.equal(403);
      if (isOpen || route.caller === 'host')
        expect(await ask(tokens['host'] ?? ''), 'host').not.to.be.oneOf([401, 403]);
      else expect(await ask(tokens['host'] ?? ''), 'host').to.equal(403);
      for (const wrong of [null, 'drover_op_wrong', 'x'])
        if (isOpen) expect(await ask(wrong), String(wrong)).not.to.be.oneOf([401, 403]);
        else expect(await ask(wrong), String(wrong)).to.equal(401);
    });
  }

  it('refuses a token that was revoked, at once', async () => {
    const { body } = await coordinator.call('POST', '/v1/operator-tokens', {
      body: { name: 'leaver', role: 'viewer' },
    });
    const token = textAt(body, 'secret');
    expect((await coordinator.call('GET', '/v1/whoami', { token })).status).to.equal(200);

    await coordinator.call('DELETE', `/v1/operator-tokens/${textAt(body, 'id')}`);

    expect((await coordinator.call('GET', '/v1/whoami', { token })).status).to.equal(401);
  });

  it('keeps the last admin from locking everybody out', async () => {
    const { body } = await coordinator.call('GET', '/v1/operator-tokens');
    const admins = (at(body, 'items') as { id: string; name: string; role: string }[]).filter(
      (token) => token.role === 'admin',
    );
    expect(admins).to.have.length(2);
    const remove = async (name: string) => {
      const id = admins.find((admin) => admin.name === name)?.id;
      return (await coordinator.call('DELETE', `/v1/operator-tokens/${id}`, { token: tokens['admin'] ?? '' })).status;
    };
    expect(await remove('first-operator')).to.equal(204);
    expect(await remove('a-admin')).to.equal(409);
  });

  it('never tells a secret again', async () => {
    const token = tokens['viewer'] ?? '';
    const listed = await coordinator.call('GET', '/v1/operator-tokens', { token: tokens['admin'] ?? '' });
    expect(JSON.stringify(listed.body)).not.to.contain('secret').and.not.to.contain(token);
  });
});

describe('how the coordinator answers', () => {
  let coordinator: TestCoordinator;
  before(async () => {
    coordinator = await startTestCoordinator();
  });
  after(() => coordinator.remove());

  it('names the wrong key of a body, in a problem document', async () => {
    const { status, headers, body } = await coordinator.call('POST', '/v1/applications', { body: { nam: 'web' } });
    expect(status).to.equal(400);
    expect(headers.get('content-type')).to.contain('application/problem+json');
    const problem = problemBody.parse(body);
    expect(problem.detail).to.contain('unknown key "nam"');
    expect(problem.hint).to.equal('Did you mean name?');
    expect(problem.requestId).to.equal(headers.get('x-request-id'));
  });

  it('names the place inside a body, a query and a path', async () => {
    const nested = await coordinator.call('POST', '/v1/deployment-configs', {
      body: { name: 'x', minimumHealthyHosts: { type: 'FLEET_PERCENT', value: 100 } },
    });
    expect(textAt(nested.body, 'detail')).to.contain('body.minimumHealthyHosts.value');
    expect(textAt((await coordinator.call('GET', '/v1/hosts?limit=0')).body, 'detail')).to.contain('query.limit');
    expect(textAt((await coordinator.call('GET', '/v1/hosts?lim=1')).body, 'detail')).to.contain(
      'query: unknown key "lim"',
    );
    expect(textAt((await coordinator.call('GET', '/v1/applications/-x')).body, 'detail')).to.contain(
      'params.application',
    );
  });

  it('bounds the variables of a group for its hooks, all together', async () => {
    const variables = (count: number, value: string) =>
      Object.fromEntries(Array.from({ length: count }, (_, number) => [`V${number}`, value]));
    await coordinator.call('POST', '/v1/applications', { body: { name: 'with-hooks' } });
    const path = '/v1/applications/with-hooks/deployment-groups';
    const create = async (hookEnvironment: object) => {
      const selection = { hostNames: ['web-1'] };
      const { status, body } = await coordinator.call('POST', path, {
        body: { name: 'prod', selection, hookEnvironment },
      });
      return `${status} ${at(body, 'detail')}`;
    };
    expect(await create(variables(65, 'x'))).to.equal('400 body.hookEnvironment: at most 64 variables');
    expect(await create(variables(64, 'x'.repeat(4_000)))).to.contain('400 body.hookEnvironment: at most 131072 bytes');
    expect(await create(variables(64, 'x'.repeat(1_000)))).to.contain('201');
    // Each of these is six characters of JSON.
    const hookEnvironment = variables(8, '\u0001'.repeat(4_000));
    const wider = await coordinator.call('PATCH', `${path}/prod`, { body: { hookEnvironment } });
    expect(textAt(wider.body, 'detail')).to.contain('body.hookEnvironment: at most 131072 bytes');
    await coordinator.call('DELETE', '/v1/applications/with-hooks');
  });

  it('refuses bodies that are no JSON, of another type, or too large', async () => {
    const raw = (body: string | Uint8Array, type: string) =>
      fetch(`${coordinator.url}/v1/applications`, {
        method: 'POST',
        headers: { authorization: `Bearer ${coordinator.adminToken}`, 'content-type': type },
        body,
      });
    expect((await raw('{"name":', 'application/json')).status).to.equal(400);
    expect((await raw('{"__proto__":{"a":1},"name":"x"}', 'application/json')).status).to.equal(400);
    expect((await raw('name=web', 'application/x-www-form-urlencoded')).status).to.equal(400);
    expect((await raw(JSON.stringify({ name: 'x'.repeat(2_000_000) }), 'application/json')).status).to.equal(413);
  });

  it('names the nearest route and the nearest name', async () => {
    expect(textAt((await coordinator.call('GET', '/v1/host')).body, 'hint')).to.equal('Did you mean /v1/hosts?');
    await coordinator.call('POST', '/v1/applications', { body: { name: 'shop-frontend' } });
    const { status, body } = await coordinator.call('GET', '/v1/applications/shop-fronted');
    expect(status).to.equal(404);
    expect(textAt(body, 'hint')).to.equal('Did you mean shop-frontend?');
  });

  it('describes itself', async () => {
    const { status, body } = await coordinator.call('GET', '/v1/openapi.json', { token: null });
    expect(status).to.equal(200);
    expect(at(body, 'openapi')).to.equal('3.1.0');
    expect((await coordinator.call('GET', '/healthz', { token: null })).status).to.equal(200);
    expect((await coordinator.call('GET', '/readyz', { token: null })).status).to.equal(200);
    expect((await coordinator.call('GET', '/metrics', { token: null })).body).to.contain('drover_connected_hosts 0');
  });

  it('writes every change down: who, what, from where', async () => {
    const { body } = await coordinator.call('GET', '/v1/audit?subject=shop-frontend');
    expect(at(body, 'items.0')).to.deep.include({
      actor: 'first-operator',
      action: 'application.create',
      remoteAddress: '127.0.0.1',
    });
  });

  it('gives long lists in pages', async () => {
    for (const name of ['a1', 'a2', 'a3']) await coordinator.call('POST', '/v1/applications', { body: { name } });
    const first = await coordinator.call('GET', '/v1/applications?limit=2');
    const second = await coordinator.call('GET', `/v1/applications?limit=2&cursor=${textAt(first.body, 'nextCursor')}`);
    const names = [first, second].flatMap(({ body }) =>
      (at(body, 'items') as { name: string }[]).map((item) => item.name),
    );
    expect(names).to.deep.equal(['a1', 'a2', 'a3', 'shop-frontend']);
    expect(at(second.body, 'nextCursor')).to.equal(null);
    expect((await coordinator.call('GET', '/v1/applications?cursor=x')).status).to.equal(400);
  });

  it('takes no other cursor than its own for one of the history', async () => {
    for (const cursor of ['', '%20', '0x10', '-1', '1e3', '1.5'])
      expect((await coordinator.call('GET', `/v1/deployments?cursor=${cursor}`)).status, cursor).to.equal(400);
  });

  it('gives cursors that it takes, also behind the longest name', async () => {
    const names = ['\u0001', '名'].map((character) => character.repeat(100));
    for (const name of names) {
      const { status } = await coordinator.call('POST', '/v1/operator-tokens', { body: { name, role: 'viewer' } });
      expect(status).to.equal(201);
    }
    const listed: unknown[] = [];
    let query = '';
    do {
      const { body } = await coordinator.call('GET', `/v1/operator-tokens?limit=1${query}`);
      listed.push(at(body, 'items.0.name'));
      query = at(body, 'nextCursor') === null ? '' : `&cursor=${textAt(body, 'nextCursor')}`;
    } while (query !== '');
    expect(listed).to.have.members(['first-operator', ...names]);
  });

  it('finds what was written down of the longest names', async () => {
    const [application, group] = ['a', 'g'].map((letter) => letter.repeat(100));
    const host = await enrolHost(coordinator, 'h'.repeat(100));
    await coordinator.call('POST', '/v1/applications', { body: { name: application } });
    const body = { name: group, selection: { hostNames: [host.name] } };
    await coordinator.call('POST', `/v1/applications/${application}/deployment-groups`, { body });
    for (const query of [`subject=${application}/${group}`, `actor=host:${host.name}`]) {
      const answer = await coordinator.call('GET', `/v1/audit?${query}`);
      expect(at(answer.body, 'items'), query).to.have.length(1);
    }
  });
});

describe('the bounds of requests', () => {
  it('hold for all that one address asks for, and for each tier by itself: who tries to enrol stops no operator', async () => {
    const coordinator = await startTestCoordinator({ limits: { requestsPerMinute: 4, enrolmentsPerMinute: 3 } });
    const statuses = async (method: string, paths: string[], options: object = {}) => {
      const found: number[] = [];
      for (const path of paths) found.push((await coordinator.call(method, path, options)).status);
      return found;
    };
    try {
      const enrolment = ['challenges', 'sessions', 'enrol', 'challenges'].map((name) => `/v1/agents/${name}`);
      expect(await statuses('POST', enrolment, { token: null, body: {} })).to.deep.equal([200, 400, 400, 429]);
      const operators = [
        '/v1/hosts',
        '/v1/applications',
        '/v1/audit',
        '/v1/join-tokens',
        '/v1/hosts',
        '/v1/applications',
      ];
      expect(await statuses('GET', operators)).to.deep.equal([200, 200, 200, 200, 429, 429]);
      expect(await statuses('GET', ['/healthz', '/v1/hosts/self/readiness'])).to.deep.equal([200, 403]);
    } finally {
      await coordinator.remove();
    }
  });
});

describe('long poll', () => {
  it('is bounded by address for connections that are not there, whatever they are called', async () => {
    const coordinator = await startTestCoordinator({ limits: { hostRequestsPerMinute: 1 } });
    try {
      const statuses: number[] = [];
      for (let i = 0; i < 11; i++) {
        const body = { connectionId: `poll_${i}`, frames: [], hold: false };
        statuses.push((await coordinator.call('POST', '/v1/agents/exchange', { token: null, body })).status);
      }
      expect(statuses).to.deep.equal([...Array<number>(10).fill(404), 429]);
    } finally {
      await coordinator.remove();
    }
  });
});

describe("AWS's protocol", () => {
  it('is bounded by address for access keys that are not there, whatever they are called', async () => {
    const coordinator = await startTestCoordinator({ limits: { requestsPerMinute: 5 } });
    try {
      const answers: unknown[] = [];
      for (let i = 0; i < 6; i++) {
        const to = {
          url: coordinator.url,
          key: { accessKeyId: `MADEUP${i}`, secretAccessKey: 'x' },
          hangsAfterMs: 5_000,
        };
        const { answer } = await sendPlainlySigned(to, 'ListApplications', '{}');
        answers.push(at(answer, '__type'));
      }
      expect(answers).to.deep.equal([...Array<string>(5).fill('UnrecognizedClientException'), 'ThrottlingException']);
    } finally {
      await coordinator.remove();
    }
  });
});

import { expect } from 'chai';
import { at, startTestCoordinator, type TestCoordinator, textAt } from '../support/coordinator.ts';
import { createJoinToken, enrolHost, newKeys, openSession, proofOf } from '../support/raw-agent.ts';

describe('enrolment', () => {
  let coordinator: TestCoordinator;
  before(async () => {
    coordinator = await startTestCoordinator();
  });
  after(() => coordinator.remove());

  const enrol = (body: object) => coordinator.call('POST', '/v1/agents/enrol', { token: null, body });
  const aRequest = (joinToken: string, name: string) => ({
    joinToken,
    publicKey: newKeys().publicKey,
    name,
    facts: {},
  });

  it('gives a host what its token says, whatever the host says of itself', async () => {
    const joinToken = await createJoinToken(coordinator, { tags: { role: 'web' }, zone: 'z1', scalingGroup: 'asg-1' });
    await enrol({ ...aRequest(joinToken, 'by-token'), facts: { hostname: 'db-1' } });

    const { body } = await coordinator.call('GET', '/v1/hosts/by-token');
    expect(body).to.deep.include({ tags: { role: 'web' }, zone: 'z1', scalingGroup: 'asg-1', presence: 'Offline' });
    const refused = await enrol({ ...aRequest(joinToken, 'chooser'), tags: { role: 'admin' } });
    expect(refused.status).to.equal(400);
    expect(textAt(refused.body, 'detail')).to.contain('"tags"');
  });

  it('answers the same token and key again with the same host, and takes no use for it', async () => {
    const joinToken = await createJoinToken(coordinator, { uses: 1 });
    const request = aRequest(joinToken, 'twice');
    const first = await enrol(request);
    const again = await enrol(request);

    expect([first.status, again.status]).to.deep.equal([201, 201]);
    expect(at(again.body, 'hostId')).to.equal(at(first.body, 'hostId'));
    const another = await enrol(aRequest(joinToken, 'third'));
    expect(another.status).to.equal(401);
    expect(textAt(another.body, 'detail')).to.contain('used as often as it may be');
  });

  it('takes as many hosts as the token has uses', async () => {
    const joinToken = await createJoinToken(coordinator, { uses: 2 });
    const statuses = await Promise.all(
      ['u-1', 'u-2', 'u-3'].map(async (name) => (await enrol(aRequest(joinToken, name))).status),
    );
    expect(statuses.sort()).to.deep.equal([201, 201, 401]);
  });

  it('refuses tokens that are unknown or revoked', async () => {
    expect((await enrol(aRequest('drover_join_wrong', 'x'))).status).to.equal(401);
    const { body } = await coordinator.call('POST', '/v1/join-tokens', { body: {} });
    await coordinator.call('DELETE', `/v1/join-tokens/${textAt(body, 'id')}`);
    expect((await enrol(aRequest(textAt(body, 'secret'), 'x'))).status).to.equal(401);
  });

  it('refuses a name that another key has, and says how to go on', async () => {
    await enrolHost(coordinator, 'taken');
    const { status, body } = await enrol(aRequest(await createJoinToken(coordinator), 'taken'));
    expect(status).to.equal(409);
    expect(textAt(body, 'hint')).to.contain('drover hosts forget taken');
  });

  it("refuses another host's id as a name: that host would not be found by it any more", async () => {
    const { hostId } = await enrolHost(coordinator, 'has-an-id');
    const { status, body } = await enrol(aRequest(await createJoinToken(coordinator), hostId));
    expect(status).to.equal(409);
    expect(textAt(body, 'detail')).to.equal(`${hostId} is the id of has-an-id: it cannot be the name of another host`);
    const registered = await coordinator.call('POST', '/v1/hosts/codedeploy', { body: { name: hostId } });
    expect(registered.status).to.equal(409);
  });

  it('refuses a key that enrolled with another token', async () => {
    const host = await enrolHost(coordinator, 'key-owner');
    const joinToken = await createJoinToken(coordinator);
    const { status } = await enrol({ joinToken, publicKey: host.publicKey, name: 'other-name', facts: {} });
    expect(status).to.equal(409);
  });

  it('lets a forgotten name be enrolled again', async () => {
    await enrolHost(coordinator, 'phoenix');
    expect((await coordinator.call('DELETE', '/v1/hosts/phoenix')).status).to.equal(204);
    expect((await enrol(aRequest(await createJoinToken(coordinator), 'phoenix'))).status).to.equal(201);
  });

  it('lists tokens that can still be used, without their secrets', async () => {
    const secret = await createJoinToken(coordinator, { uses: 5 });
    const { body } = await coordinator.call('GET', '/v1/join-tokens');
    expect(at(body, 'items')).to.not.be.empty;
    expect(JSON.stringify(body)).not.to.contain(secret);
    for (const item of at(body, 'items') as { usesLeft: number }[]) expect(item.usesLeft).to.be.greaterThan(0);
  });
});

describe("a host's session", () => {
  let coordinator: TestCoordinator;
  before(async () => {
    coordinator = await startTestCoordinator();
  });
  after(() => coordinator.remove());

  it('is opened by a signed challenge, and answers the host about itself', async () => {
    const token = await openSession(coordinator, await enrolHost(coordinator, 'web-1'));
    const { status, body } = await coordinator.call('GET', '/v1/hosts/self/readiness', { token });
    expect(status).to.equal(200);
    expect(body).to.deep.equal({ isReady: true, hostName: 'web-1', groups: [] });
  });

  it('takes a challenge once', async () => {
    const host = await enrolHost(coordinator, 'web-2');
    const { body } = await coordinator.call('POST', '/v1/agents/challenges', { token: null });
    const nonce = textAt(body, 'nonce');
    const request = { hostId: host.hostId, nonce, signature: proofOf(host, nonce, coordinator.coordinatorId) };
    const ask = () => coordinator.call('POST', '/v1/agents/sessions', { token: null, body: request });

    expect((await ask()).status).to.equal(201);
    expect((await ask()).status).to.equal(401);
  });

  it('is refused for a nonce of its own making, for a wrong signature and for another host', async () => {
    const host = await enrolHost(coordinator, 'web-3');
    const other = await enrolHost(coordinator, 'web-4');
    const ask = async (changes: object, signer = host) => {
      const { body } = await coordinator.call('POST', '/v1/agents/challenges', { token: null });
      const nonce = textAt(body, 'nonce');
      const signature = proofOf(signer, nonce, coordinator.coordinatorId);
      const request = { hostId: host.hostId, nonce, signature, ...changes };
      return (await coordinator.call('POST', '/v1/agents/sessions', { token: null, body: request })).status;
    };
    expect(await ask({})).to.equal(201);
    expect(await ask({ nonce: 'made-up', signature: proofOf(host, 'made-up', coordinator.coordinatorId) })).to.equal(
      401,
    );
    expect(await ask({ signature: Buffer.alloc(64).toString('base64') })).to.equal(401);
    expect(await ask({}, other)).to.equal(401);
    expect(await ask({ hostId: 'h-unknown' })).to.equal(401);
  });

  it('ends when the host is forgotten', async () => {
    const token = await openSession(coordinator, await enrolHost(coordinator, 'web-5'));
    await coordinator.call('DELETE', '/v1/hosts/web-5');
    expect((await coordinator.call('GET', '/v1/hosts/self/readiness', { token })).status).to.equal(401);
  });

  it('ends with the coordinator that opened it', async () => {
    const token = await openSession(coordinator, await enrolHost(coordinator, 'web-6'));
    await coordinator.restart();
    expect((await coordinator.call('GET', '/v1/hosts/self/readiness', { token })).status).to.equal(401);
  });
});

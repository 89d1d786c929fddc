import { expect } from 'chai';
import { isAppError } from '../../../../shared/core/errors.ts';
import { type Behaviour, createEngineWorld, type EngineWorld, type WorldHost } from '../../../support/engine-world.ts';

const failing =
  (label: string): Behaviour =>
  (assignment) =>
    assignment.revision.label === label ? 'fail' : 'succeed';

describe('the engine', () => {
  let world: EngineWorld;
  beforeEach(async () => {
    world = await createEngineWorld();
  });
  afterEach(() => world.close());

  async function aFleet(count: number, behaviour?: Behaviour) {
    const options = behaviour === undefined ? {} : { behaviour };
    const hosts = [];
    for (let i = 1; i <= count; i++) hosts.push(await world.addHost(`web-${i}`, options));
    await world.addGroup('prod');
    for (const label of ['1', '2', '3']) await world.addRevision(label);
    return hosts;
  }
  async function deployed(label: string, options: object = {}) {
    const { id } = await world.deploy(label, options);
    await world.run(200);
    return world.get(id);
  }

  it('tells of a host of a deployment by its id and by its name, also when it was forgotten and another one has the name', async () => {
    const hosts = await aFleet(2);
    const done = await deployed('1');
    const [first, second] = hosts as [WorldHost, WorldHost];
    for (const asked of [second.id, second.name])
      expect(await world.history.getTarget(done.id, asked)).to.include({ hostId: second.id });
    await world.forget(first);
    await world.addHost('web-3');
    await world.database.query.updateTable('hosts').set({ name: 'web-1' }).where('name', '=', 'web-3').execute();
    for (const asked of [first.id, 'web-1'])
      expect(await world.history.getTarget(done.id, asked)).to.include({ hostId: first.id });
    expect(
      isAppError(await world.history.getTarget(done.id, 'h-web-3').catch((error: unknown) => error), 'not_found'),
    ).to.equal(true);
  });

  it('deploys a revision to every host of the group', async () => {
    await aFleet(5);
    const done = await deployed('1');
    expect(done).to.include({ status: 'Succeeded', totalHosts: 5, minimumHealthyCount: 3 });
    expect(done.overview).to.deep.equal({ Pending: 0, InProgress: 0, Succeeded: 5, Failed: 0, Skipped: 0 });
    const target = await world.history.getTarget(done.id, 'web-3');
    expect(target.lifecycleEvents.map((event) => `${event.name} ${event.status}`)).to.have.length(7);
    expect(target.lifecycleEvents.every((event) => event.status === 'Succeeded')).to.equal(true);
  });

  it('keeps no more hosts in flight than the config allows', async () => {
    const hosts = await aFleet(9, () => 'hang');
    const { id } = await world.deploy('1');
    await world.run();
    const inFlight = () => hosts.filter((host) => host.started.length > 0);
    expect(inFlight().map((host) => host.name)).to.deep.equal(['web-1', 'web-2', 'web-3', 'web-4']);
    world.finish(hosts[0]!, id, 'succeed');
    await world.run();
    expect(inFlight()).to.have.length(5);
  });

  it('finds the few that may start behind many that are away', async () => {
    const hosts = await aFleet(45, ({ revision }) => (revision.label === '1' ? 'succeed' : 'hang'));
    await deployed('1', { deploymentConfigName: 'CodeDeployDefault.AllAtOnce' });
    for (const host of hosts.slice(0, 42)) world.disconnect(host);
    await world.run();
    await world.deploy('2', { deploymentConfigName: 'CodeDeployDefault.OneAtATime' });
    await world.run();
    expect(hosts.filter((host) => host.started.length > 1).map((host) => host.name)).to.deep.equal(['web-43']);
  });

  it('stops a bad revision by the health rule, rolls back what was touched, and says why', async () => {
    await aFleet(5, failing('2'));
    await deployed('1');
    const bad = await deployed('2');
    expect(bad).to.include({ status: 'Failed' });
    expect(bad.errorInformation).to.include({ code: 'HEALTH_CONSTRAINTS' });
    expect(bad.overview).to.deep.include({ Failed: 2, Skipped: 3 });
    const rollback = await world.get(bad.rollbackInfo.rollbackDeploymentId!);
    expect(rollback).to.include({ status: 'Succeeded', creator: 'codeDeployRollback', revisionLabel: '1' });
    expect(rollback).to.include({ totalHosts: 5, alreadyCurrentHosts: 3 });
    expect(rollback.rollbackInfo.rollbackTriggeringDeploymentId).to.equal(bad.id);
    const { items } = await world.history.listCauses(bad.id);
    expect(items).to.have.length(1);
    expect(items[0]).to.include({
      lifecycleEvent: 'ValidateService',
      scriptName: 'validate.sh',
      exitCode: 3,
      hostCount: 2,
    });
  });

  it('refuses a second deployment of the group, and names the active one', async () => {
    await aFleet(2, () => 'hang');
    const { id } = await world.deploy('1');
    await world.run();
    const error = await world.deploy('2').then(
      () => null,
      (thrown) => thrown,
    );
    expect(error).to.include({ code: 'conflict' });
    expect(error.message).to.equal(`The Deployment Group 'prod' already has an active Deployment '${id}'`);
    expect(error.details).to.include({ activeDeploymentId: id });
  });

  it('creates one deployment for one idempotency key', async () => {
    await aFleet(2);
    const first = await world.deploy('1', { idempotencyKey: 'k' });
    await world.run(100);
    expect((await world.deploy('1', { idempotencyKey: 'k' })).id).to.equal(first.id);
  });

  it('starts no further host after a stop, and waits for those in progress', async () => {
    const hosts = await aFleet(5, () => 'hang');
    const { id } = await world.deploy('1');
    await world.run();
    const answer = await world.deployments.stop(id, { reason: 'wrong one' }, { kind: 'coordinator' });
    expect(answer.stopStatus).to.equal('Pending');
    await world.run();
    world.finish(hosts[0]!, id, 'succeed');
    await world.run();
    expect((await world.get(id)).status).to.equal('InProgress');
    world.finish(hosts[1]!, id, 'succeed');
    await world.run();
    const stopped = await world.get(id);
    expect(stopped).to.include({ status: 'Stopped' });
    expect(stopped.overview).to.deep.include({ Succeeded: 2, Skipped: 3 });
    expect(hosts.filter((host) => host.started.length > 0)).to.have.length(2);
    const again = await world.deployments.stop(id, { reason: '' }, { kind: 'coordinator' }).then(
      () => null,
      (error) => error.code,
    );
    expect(again).to.equal('conflict');
  });

  it('leaves a host alone that was cancelled before it began: not touched, as healthy as it was', async () => {
    const hosts = await aFleet(3);
    await deployed('1');
    for (const host of hosts) host.behaviour = (a) => (a.revision.label === '2' ? 'ignore' : 'succeed');
    const { id } = await world.deploy('2');
    await world.run();
    await world.deployments.stop(id, { rollback: true, reason: '' }, { kind: 'coordinator' });
    await world.run(200);
    const stopped = await world.get(id);
    expect(stopped).to.include({ status: 'Stopped' });
    expect(stopped.overview).to.deep.include({ Skipped: 3, Failed: 0 });
    expect(stopped.rollbackInfo.rollbackDeploymentId).to.equal(null);
    expect(stopped.rollbackInfo.rollbackMessage).to.contain('No host was touched');
    for (const host of hosts) expect((await world.readiness.of(host.id)).isReady).to.equal(true);
  });

  it('rolls back after a stop that asks for it', async () => {
    const hosts = await aFleet(3);
    await deployed('1');
    for (const host of hosts) host.behaviour = (a) => (a.revision.label === '2' ? 'hang' : 'succeed');
    const { id } = await world.deploy('2');
    await world.run();
    await world.deployments.stop(id, { rollback: true, reason: '' }, { kind: 'coordinator' });
    for (const host of hosts) if (host.held.has(id)) world.finish(host, id, 'succeed');
    await world.run(200);
    const stopped = await world.get(id);
    expect(stopped.status).to.equal('Stopped');
    expect((await world.get(stopped.rollbackInfo.rollbackDeploymentId!)).status).to.equal('Succeeded');
  });

  it('fails an offline host at its turn, by name, in seconds', async () => {
    const hosts = await aFleet(3);
    await deployed('1');
    world.disconnect(hosts[1]!);
    await world.run(20_000);
    const done = await deployed('2', { deploymentConfigName: 'CodeDeployDefault.AllAtOnce' });
    expect(done.status).to.equal('Succeeded');
    const target = await world.history.getTarget(done.id, 'web-2');
    expect(target).to.include({ status: 'Failed', errorCode: 'HOST_OFFLINE' });
    expect(target.message).to.match(/^web-2 is offline since 2026-/);
  });

  it('brings a host that was offline to the good revision when it is back', async () => {
    const hosts = await aFleet(3);
    await deployed('1');
    world.disconnect(hosts[1]!);
    await world.run(20_000);
    await deployed('2', { deploymentConfigName: 'CodeDeployDefault.AllAtOnce' });
    expect((await world.readiness.of(hosts[1]!.id)).isReady).to.equal(false);
    await world.connect(hosts[1]!);
    await world.run(200);
    expect(hosts[1]!.installed).to.equal('r-2');
    expect((await world.readiness.of(hosts[1]!.id)).isReady).to.equal(true);
  });

  it('gives a host that goes away in the middle its time to come back, then fails it', async () => {
    const hosts = await aFleet(1, () => 'hang');
    const { id } = await world.deploy('1');
    await world.run();
    world.disconnect(hosts[0]!);
    await world.run(290_000);
    expect((await world.get(id)).status).to.equal('InProgress');
    await world.run(20_000);
    expect(await world.get(id)).to.include({ status: 'Failed' });
    expect(await world.history.getTarget(id, 'web-1')).to.include({ errorCode: 'HOST_LOST' });
  });

  it('waits no longer for hosts that are away when its own clock was set back', async () => {
    const hosts = await aFleet(2);
    await deployed('1');
    hosts[0]!.behaviour = () => 'hang';
    const { id } = await deployed('2', { autoRollback: { enabled: false, events: [] } });
    for (const host of hosts) world.disconnect(host);
    await world.run(1_000);
    world.clock.setBack(6 * 3_600_000);
    await world.run(320_000);
    expect(await world.history.getTarget(id, 'web-1')).to.include({ errorCode: 'HOST_LOST' });
    expect((await world.get(id)).status).to.equal('Failed');
    const presences = await world.database.query.selectFrom('hosts').select('presence').distinct().execute();
    expect(presences).to.deep.equal([{ presence: 'Offline' }]);
  });

  it('lets a host that comes back in time go on', async () => {
    const hosts = await aFleet(1, () => 'hang');
    const { id } = await world.deploy('1');
    await world.run();
    world.disconnect(hosts[0]!);
    await world.run(200_000);
    await world.connect(hosts[0]!);
    await world.run(200_000);
    world.finish(hosts[0]!, id, 'succeed');
    await world.run();
    expect((await world.get(id)).status).to.equal('Succeeded');
    expect(hosts[0]!.started).to.deep.equal([id]);
  });

  it('does not judge the progress of a host that is away: a short hook may end while it is cut off', async () => {
    const hosts = await aFleet(1, () => 'hang');
    const { id } = await world.deploy('1');
    await world.run();
    world.running(hosts[0]!, id, 'AfterInstall', 1_000);
    await world.run();
    world.disconnect(hosts[0]!);
    await world.run(200_000);
    expect((await world.get(id)).status).to.equal('InProgress');
    await world.connect(hosts[0]!);
    await world.run(1_000);
    world.finish(hosts[0]!, id, 'succeed');
    await world.run();
    expect((await world.get(id)).status).to.equal('Succeeded');
  });

  it('fails a host that is there but says nothing in the time of its event', async () => {
    const hosts = await aFleet(1, () => 'hang');
    const { id } = await world.deploy('1');
    await world.run();
    world.running(hosts[0]!, id, 'AfterInstall', 1_000);
    await world.run(70_000);
    expect(await world.history.getTarget(id, 'web-1')).to.include({ status: 'Failed', errorCode: 'EVENT_TIMEOUT' });
  });

  it('sends an assignment again to a host that comes back without it', async () => {
    const hosts = await aFleet(1, () => 'ignore');
    const { id } = await world.deploy('1');
    await world.run();
    world.disconnect(hosts[0]!);
    await world.run(1_000);
    hosts[0]!.behaviour = () => 'succeed';
    await world.connect(hosts[0]!);
    await world.run();
    expect((await world.get(id)).status).to.equal('Succeeded');
  });

  it('does not send it when the deployment was stopped meanwhile', async () => {
    const hosts = await aFleet(1, () => 'ignore');
    const { id } = await world.deploy('1');
    await world.run();
    world.disconnect(hosts[0]!);
    await world.run(1_000);
    await world.deployments.stop(id, { reason: '' }, { kind: 'coordinator' });
    hosts[0]!.behaviour = () => 'succeed';
    await world.connect(hosts[0]!);
    await world.run(20_000);
    expect(hosts[0]!.started).to.deep.equal([]);
  });

  it('makes a second deployment wait for a host that is busy with another group', async () => {
    const hosts = await aFleet(1, () => 'hang');
    await world.addGroup('other');
    const first = await world.deploy('1');
    await world.run();
    const second = await world.deploy('2', { deploymentGroup: 'other' });
    await world.run();
    expect(hosts[0]!.started).to.deep.equal([first.id]);
    world.finish(hosts[0]!, first.id, 'succeed');
    await world.run();
    expect(hosts[0]!.started).to.deep.equal([first.id, second.id]);
  });

  it('ends every deployment when time passes, whatever hosts do', async () => {
    await aFleet(2, () => 'hang');
    const { id } = await world.deploy('1');
    await world.run(13 * 3_600_000);
    expect((await world.get(id)).status).to.equal('Failed');
  });

  describe('scale-out', () => {
    it('brings a new host to the last good revision before it counts as in service', async () => {
      await aFleet(2);
      await deployed('1');
      const late = await world.addHost('web-9');
      expect((await world.readiness.of(late.id)).isReady).to.equal(false);
      await world.run(100);
      expect(late.installed).to.equal('r-1');
      expect(await world.get(late.started[0]!)).to.include({ creator: 'autoscaling', status: 'Succeeded' });
      expect((await world.readiness.of(late.id)).isReady).to.equal(true);
    });

    it('brings several hosts that arrive at once', async () => {
      await aFleet(2);
      await deployed('1');
      const late = await Promise.all([7, 8, 9].map((i) => world.addHost(`web-${i}`)));
      await world.run(200);
      expect(late.map((host) => host.installed)).to.deep.equal(['r-1', 'r-1', 'r-1']);
    });

    it('gives a host that joins during a fleet deployment the old revision first, and the new one afterwards', async () => {
      const hosts = await aFleet(2);
      await deployed('1');
      for (const host of hosts) host.behaviour = () => 'hang';
      const { id } = await world.deploy('2');
      await world.run();
      const late = await world.addHost('web-9');
      await world.run(100);
      expect(late.installed).to.equal('r-1');
      world.finish(hosts[0]!, id, 'succeed');
      await world.run();
      world.finish(hosts[1]!, id, 'succeed');
      hosts[0]!.installed = 'r-2';
      await world.run(200);
      expect(late.installed).to.equal('r-2');
      const followOn = await world.get(late.started[1]!);
      expect(followOn).to.include({ creator: 'CodeDeployAutoUpdate', followsDeploymentId: id, status: 'Succeeded' });
    });

    it('does not try again by itself when the good revision fails on a new host', async () => {
      await aFleet(2);
      await deployed('1');
      const late = await world.addHost('web-9', { behaviour: () => 'fail' });
      await world.run(60_000);
      expect(late.started).to.have.length(1);
      const readiness = await world.readiness.of(late.id);
      expect(readiness.isReady).to.equal(false);
      expect(readiness.groups[0]!.reason).to.contain('failed');
    });

    it('counts such a host as in service once a later deployment to it has succeeded', async () => {
      await aFleet(2);
      await deployed('1');
      const late = await world.addHost('web-9', { behaviour: () => 'fail' });
      await world.run(1_000);
      late.behaviour = () => 'succeed';
      expect((await deployed('1', { onlyHostNames: ['web-9'] })).status).to.equal('Succeeded');
      expect((await world.readiness.of(late.id)).isReady).to.equal(true);
    });
  });

  it('follows a deployment to its end, and resumes after any sequence', async () => {
    await aFleet(3);
    const { id } = await world.deploy('1');
    await world.run(200);
    const read = async (after: number) => {
      const items = [];
      for await (const item of world.feed.follow(id, after, new AbortController().signal)) items.push(item);
      return items;
    };
    const whole = await read(0);
    expect(whole.filter((item) => item.kind === 'target')).to.have.length(3);
    expect(whole.at(-1)).to.include({ kind: 'ended' });
    const sequences = whole.map((item) => item.sequence);
    expect(sequences).to.deep.equal([...sequences].sort((a, b) => a - b));
    expect((await read(sequences[1]!)).at(-1)).to.include({ kind: 'ended' });
  });
});

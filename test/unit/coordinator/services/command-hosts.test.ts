import { expect } from 'chai';
import type { HostCommand } from '../../../../coordinator/services/command-hosts/command.ts';
import { isAppError } from '../../../../shared/core/errors.ts';
import { IN_PLACE_EVENTS } from '../../../../shared/model/lifecycle-event.ts';
import { type CommandHost, CommandWorld, failed } from '../../../support/command-world.ts';

const MINUTE_MS = 60_000;

describe("hosts with AWS's agent", () => {
  let world: CommandWorld;
  let host: CommandHost;

  beforeEach(async () => {
    world = await CommandWorld.start();
    host = await world.addHost('web-1');
  });
  afterEach(() => world.close());

  const eventsOf = async (deploymentId: string, of = host) =>
    (await world.target(deploymentId, of)).lifecycleEvents.map((event) => `${event.name} ${event.status}`);
  const statusOf = async (deploymentId: string) => (await world.get(deploymentId)).status;

  /** Online, and told of a deployment. */
  async function deployed(label = 'v1', options: object = {}): Promise<string> {
    (await world.online(host)).abort();
    return world.deploy(label, options);
  }

  async function carryOutUntil(event: string): Promise<void> {
    for (const next of IN_PLACE_EVENTS) {
      if (next === event) return;
      await host.carryOut();
    }
  }

  it('have one command for each lifecycle event, in order, to the end', async () => {
    const id = await deployed();
    const commands: HostCommand[] = [];
    for (const _event of IN_PLACE_EVENTS) commands.push(await host.carryOut());
    expect(commands.map(({ event, nonce }) => `${nonce} ${event}`)).to.deep.equal(
      IN_PLACE_EVENTS.map((event, at) => `${at} ${event}`),
    );
    expect(new Set(commands.map((command) => command.id)).size).to.equal(7);
    await world.settle();
    expect(await statusOf(id)).to.equal('Succeeded');
    expect(await eventsOf(id)).to.deep.equal(IN_PLACE_EVENTS.map((event) => `${event} Succeeded`));
    expect(await world.installed(host)).to.equal('r-v1');
    expect((await world.host(host)).agentVersion).to.equal('OFFICIAL_1.8.1');
  });

  it('cost two commits for each event, of its beginning and of its end, which wait for no others', async () => {
    await deployed();
    await host.carryOut();
    let commits = 0;
    const { transaction } = world.database;
    world.database.transaction = (work) => {
      commits++;
      return transaction(work);
    };
    const command = await host.take();
    commits = 0;
    const begunAt = world.clock.now();
    await host.acknowledge(command);
    expect(commits).to.equal(1);
    await host.complete(command);
    expect(commits).to.equal(2);
    // The clock moves by a millisecond for each of the two; to wait for others would be three.
    expect(world.clock.now() - begunAt).to.equal(2);
    await world.settle();
    expect(commits).to.equal(2);
  });

  it('are not connected when they are forgotten just while they connect', async () => {
    const poll = host.poll();
    await world.forget(host);
    await world.settle();
    expect(world.commandHosts.connectedCount()).to.equal(0);
    expect(await poll.answer.catch((error: unknown) => isAppError(error, 'forbidden'))).to.equal(true);
  });

  it('are answered the moment there is work, and with nothing when the poll has been held long enough', async () => {
    const poll = await world.online(host);
    await world.clock.advance(44_000);
    expect(poll.settled()).to.equal(undefined);
    await world.clock.advance(1_000);
    expect(poll.settled()).to.equal(null);
    const next = await world.online(host);
    await world.deploy('v1');
    expect(next.settled()).to.include({ event: 'ApplicationStop' });
  });

  it('have done with a noop when they acknowledge it, but for what always does something', async () => {
    const id = await deployed();
    for (const event of IN_PLACE_EVENTS) {
      const command = await host.take();
      const isReal = event === 'DownloadBundle' || event === 'Install';
      expect(await host.acknowledge(command, true), event).to.equal(isReal ? 'InProgress' : 'Succeeded');
      if (isReal) await host.complete(command);
      // Its answer may have been lost: the same again.
      else expect(await host.acknowledge(command, true)).to.equal('Succeeded');
    }
    await world.settle();
    expect(await statusOf(id)).to.equal('Succeeded');
  });

  describe('that fail', () => {
    it('tell it with code, script and output; what follows is skipped, and the end is final', async () => {
      const id = await deployed();
      await carryOutUntil('AfterInstall');
      const command = await host.carryOut(failed('Script at specified location: hook.sh failed with exit code 1'));
      // As the agent's first version does: the same failure once more, with another code.
      await host.complete(command, {
        status: 'Failed',
        diagnostics: { errorCode: 'UnknownError', message: 'again' },
        log: '',
      });
      await host.complete(command, { status: 'Succeeded' });
      await world.settle();
      const target = await world.target(id, host);
      expect(target).to.include({ status: 'Failed', errorCode: 'HOOK_FAILED' });
      expect(target.message).to.equal('AfterInstall: Script at specified location: hook.sh failed with exit code 1');
      expect(target.diagnostics).to.include({ errorCode: 'ScriptFailed', scriptName: 'hook.sh', logTail: 'no\n' });
      expect((await eventsOf(id)).slice(4)).to.deep.equal([
        'AfterInstall Failed',
        'ApplicationStart Skipped',
        'ValidateService Skipped',
      ]);
      expect(await statusOf(id)).to.equal('Failed');
    });

    it('have what they installed: the new revision after Install, the one before until then, unknown in between', async () => {
      await deployed('v1');
      for (const _event of IN_PLACE_EVENTS) await host.carryOut();
      const failAt = async (label: string, event: string) => {
        await world.deploy(label);
        await carryOutUntil(event);
        await host.carryOut(failed());
        await world.settle();
        return world.installed(host);
      };
      expect(await failAt('v2', 'BeforeInstall')).to.equal('r-v1');
      expect(await failAt('v3', 'ValidateService')).to.equal('r-v3');
      expect(await failAt('v4', 'Install')).to.equal(null);
    });

    it('go on after ApplicationStop when the deployment says so', async () => {
      const id = await deployed('v1', { ignoreApplicationStopFailures: true });
      await host.carryOut(failed());
      expect((await host.take()).event).to.equal('DownloadBundle');
      expect((await eventsOf(id))[0]).to.equal('ApplicationStop Failed');
    });

    it('may fail before they acknowledge, for instance at the specification', async () => {
      const id = await deployed();
      await host.complete(await host.take(), failed('no specification'));
      await world.settle();
      expect((await eventsOf(id))[0]).to.equal('ApplicationStop Failed');
      expect(await statusOf(id)).to.equal('Failed');
    });

    it('roll back like any other host, and a late word about the old command does not disturb it', async () => {
      await world.close();
      world = await CommandWorld.start({ group: { autoRollback: { enabled: true, events: ['DEPLOYMENT_FAILURE'] } } });
      host = await world.addHost('web-1');
      await deployed('v1');
      for (const _event of IN_PLACE_EVENTS) await host.carryOut();
      const bad = await world.deploy('v2');
      await carryOutUntil('ValidateService');
      const command = await host.carryOut(failed());
      await world.settle();
      const first = await host.take();
      expect(first.deploymentId).not.to.equal(bad);
      await host.complete(command, failed('again'));
      await host.acknowledge(first);
      await host.complete(first);
      for (const _event of IN_PLACE_EVENTS.slice(1)) await host.carryOut();
      await world.settle();
      expect(await world.installed(host)).to.equal('r-v1');
      const rollback = await world.get(first.deploymentId);
      expect(rollback).to.include({ status: 'Succeeded', creator: 'codeDeployRollback' });
    });
  });

  describe('whose agent does not answer', () => {
    it('are offered the command again after a minute, by another id; the older one is not to be carried out', async () => {
      await deployed();
      const lost = await host.take();
      const poll = await world.online(host);
      await world.clock.advance(45_000);
      expect(poll.settled()).to.equal(null);
      await world.clock.advance(15_000);
      const again = await host.take();
      expect(again).to.include({ event: lost.event }).and.not.to.include({ id: lost.id });
      expect(await host.acknowledge(lost, true)).to.equal('Failed');
      expect(await host.acknowledge(again)).to.equal('InProgress');
      // What a noop's agent says then.
      await host.complete(lost, { status: 'Succeeded' });
      expect(await world.until(world.commandHosts.statusOf(host.contact, again.id))).to.equal('InProgress');
      // The answer to an acknowledgement may be lost: the same again.
      expect(await host.acknowledge(again)).to.equal('InProgress');
    });

    it('are offered it again after a minute also when the clock was set back meanwhile', async () => {
      await deployed();
      const lost = await host.take();
      world.clock.setBack(60 * MINUTE_MS);
      await world.online(host);
      await world.clock.advance(MINUTE_MS);
      expect(await host.take())
        .to.include({ event: lost.event })
        .and.not.to.include({ id: lost.id });
    });

    it('can be deployed to again as soon as ever also when the clock was set back since they acknowledged a command', async () => {
      const id = await deployed();
      await host.acknowledge(await host.take());
      await pollOnFor(MINUTE_MS);
      world.clock.setBack(5 * 60 * MINUTE_MS);
      await pollOnFor(62 * MINUTE_MS);
      expect((await world.target(id, host)).status).to.equal('Failed');
      const next = await world.deploy('v2');
      expect(await host.take()).to.include({ deploymentId: next, event: 'ApplicationStop' });
    });

    async function pollOnFor(ms: number): Promise<void> {
      for (let passedMs = 0; passedMs < ms; passedMs += 45_000) {
        host.poll();
        await world.clock.advance(45_000);
      }
    }

    it('fail as not having accepted, although they poll', async () => {
      const id = await deployed();
      await pollOnFor(6 * MINUTE_MS);
      expect(await world.target(id, host)).to.include({ status: 'Failed', errorCode: 'NOT_ACCEPTED' });
    });

    it('fail in the middle as soon: the next event has as long to be taken', async () => {
      const id = await deployed();
      await host.carryOut();
      await pollOnFor(7 * MINUTE_MS);
      const target = await world.target(id, host);
      expect(target).to.include({ status: 'Failed', errorCode: 'EVENT_TIMEOUT', lifecycleEvent: 'DownloadBundle' });
    });

    it('have an hour for an event that they have acknowledged, while they poll on', async () => {
      const id = await deployed();
      await host.acknowledge(await host.take());
      await pollOnFor(58 * MINUTE_MS);
      expect((await world.target(id, host)).status).to.equal('InProgress');
      await pollOnFor(5 * MINUTE_MS);
      expect((await world.target(id, host)).status).to.equal('Failed');
      // What was lost is not waited for: the host can be deployed to again.
      const next = await world.deploy('v2');
      expect(await host.take()).to.include({ deploymentId: next, event: 'ApplicationStop' });
    });
  });

  it('are given their time again when the clock was set forward in the middle of an event', async () => {
    const id = await deployed();
    const command = await host.take();
    await host.acknowledge(command);
    world.clock.standStill(2 * 60 * MINUTE_MS);
    await world.online(host);
    expect((await world.target(id, host)).status).to.equal('InProgress');
    await host.complete(command);
    expect((await eventsOf(id))[0]).to.equal('ApplicationStop Succeeded');
  });

  describe('that are lost', () => {
    it('are away some time after their last poll, and fail; what they say afterwards is kept', async () => {
      const id = await deployed();
      const command = await host.take();
      await host.acknowledge(command);
      expect((await world.host(host)).presence).to.equal('Online');
      await world.clock.advance(100_000);
      await world.settle();
      expect((await world.host(host)).presence).to.equal('Reconnecting');
      await world.clock.advance(20_000);
      expect((await world.host(host)).presence).to.equal('Offline');
      await world.clock.advance(5 * MINUTE_MS);
      expect(await world.target(id, host)).to.include({ status: 'Failed', errorCode: 'HOST_LOST' });

      await host.complete(command);
      await world.settle();
      expect((await world.host(host)).presence).to.equal('Online');
      const target = await world.target(id, host);
      expect(target.message).to.contain('The host reported Failed afterwards');
      expect((await eventsOf(id)).slice(0, 2)).to.deep.equal(['ApplicationStop Succeeded', 'DownloadBundle Skipped']);
    });

    it('are as they were when they had not begun: they are lost, and back, and nothing is brought to them', async () => {
      await deployed();
      for (const _event of IN_PLACE_EVENTS) await host.carryOut();
      const second = await deployed('v2');
      await world.clock.advance(8 * MINUTE_MS);
      expect(await world.target(second, host)).to.include({ status: 'Failed', errorCode: 'HOST_LOST' });
      const poll = await world.online(host);
      await world.clock.advance(2 * MINUTE_MS);
      expect(poll.settled()).to.equal(null);
      expect((await world.target(second, host)).message).to.contain('reported Skipped afterwards');
      expect(await world.installed(host)).to.equal('r-v1');
      expect((await world.core.services.readiness.of(host.id)).isReady).to.equal(true);
    });

    it('get nothing new while the old command may still run', async () => {
      await deployed();
      const command = await host.take();
      await host.acknowledge(command);
      await world.clock.advance(8 * MINUTE_MS);
      const poll = await world.online(host);
      const next = await world.deploy('v2');
      await world.settle();
      expect(poll.settled()).to.equal(undefined);
      await host.complete(command, failed('Failing in-progress lifecycle event after an agent restart.'));
      await world.settle();
      expect(poll.settled()).to.include({ deploymentId: next, event: 'ApplicationStop' });
    });

    it('are untouched when they had begun nothing: they are what they were, as soon as they are back', async () => {
      await deployed('v1');
      for (const _event of IN_PLACE_EVENTS) await host.carryOut();
      const id = await world.deploy('v2');
      // Its answer is lost, and the host with it.
      await host.take();
      await world.clock.advance(8 * MINUTE_MS);
      expect(await world.target(id, host)).to.include({ status: 'Failed', errorCode: 'HOST_LOST' });

      await world.online(host);
      await world.settle();
      expect((await world.target(id, host)).message).to.contain('The host reported Skipped afterwards');
      expect(await world.installed(host)).to.equal('r-v1');
      expect(await world.health(host)).to.equal('Healthy');
    });

    it('are broken when they were lost between two commands, and say so', async () => {
      await deployed('v1');
      for (const _event of IN_PLACE_EVENTS) await host.carryOut();
      const id = await world.deploy('v2');
      await host.carryOut();
      await world.clock.advance(8 * MINUTE_MS);
      await world.online(host);
      await world.settle();
      const target = await world.target(id, host);
      expect(target).to.include({ status: 'Failed', errorCode: 'HOST_LOST' });
      expect(target.message).to.contain('The host reported Failed afterwards');
      expect(await world.installed(host)).to.equal('r-v1');
      expect(await world.health(host)).to.equal('Unhealthy');
    });

    it('are not commanded any more, once the coordinator has forgotten them', async () => {
      const id = await deployed();
      const poll = await world.online(host);
      await world.forget(host);
      await world.settle();
      await poll.answer.catch(() => null);
      expect((await world.get(id)).status).to.equal('Failed');
      const error = await world
        .until(world.commandHosts.poll(host.contact, new AbortController().signal))
        .catch((e) => e);
      expect(error).to.include({ code: 'forbidden' });
    });
  });

  describe('that poll twice', () => {
    it('get one command; the older poll is answered with nothing at once', async () => {
      (await world.online(host)).abort();
      const [older, newer] = [host.poll(), host.poll()];
      await world.settle();
      expect(older.settled()).to.equal(null);
      await world.deploy('v1');
      expect(newer.settled()).to.include({ event: 'ApplicationStop' });
      const third = host.poll();
      await world.settle();
      expect(third.settled()).to.equal(undefined);
    });

    it('get the command at once with the next poll when the one it was meant for has gone', async () => {
      const gone = await world.online(host);
      const deploying = world.deploy('v1');
      gone.abort();
      await deploying;
      expect((await host.take()).event).to.equal('ApplicationStop');
    });
  });

  describe('when the coordinator starts anew', () => {
    it('have their command under way recognised, and nothing is offered twice', async () => {
      const id = await deployed();
      await carryOutUntil('AfterInstall');
      const command = await host.take();
      await host.acknowledge(command);
      await world.restart();
      const poll = await world.online(host);
      expect(poll.settled()).to.equal(undefined);
      expect(await world.until(world.commandHosts.statusOf(host.contact, command.id))).to.equal('InProgress');
      expect(await host.acknowledge(command)).to.equal('InProgress');
      await host.complete(command);
      expect(poll.settled()).to.include({ event: 'ApplicationStart', deploymentId: id });
      // The one that was told before the restart, and once more.
      await host.complete(command, failed());
      await host.acknowledge(poll.settled() as HostCommand);
      await host.complete(poll.settled() as HostCommand);
      await host.carryOut();
      await world.settle();
      expect(await statusOf(id)).to.equal('Succeeded');
    });

    it('go on between two commands', async () => {
      const id = await deployed();
      await carryOutUntil('Install');
      await world.restart();
      expect(await host.take()).to.include({ event: 'Install', deploymentId: id });
    });

    it('do not carry out what was only offered: it is offered once more', async () => {
      await deployed();
      const command = await host.take();
      await world.restart();
      expect(await host.acknowledge(command)).to.equal('Failed');
      expect(await host.take())
        .to.include({ event: command.event })
        .and.not.to.include({ id: command.id });
    });

    it('first say how the old command ended, whichever call comes first', async () => {
      const id = await deployed();
      const command = await host.take();
      await host.acknowledge(command);
      await world.restart();
      await host.complete(command);
      expect((await eventsOf(id))[0]).to.equal('ApplicationStop Succeeded');
    });
  });

  describe('when the deployment is stopped', () => {
    it('have not begun while they have not acknowledged: they are left alone', async () => {
      const id = await deployed();
      const command = await host.take();
      await world.stop(id);
      expect(await host.acknowledge(command)).to.equal('Failed');
      expect((await world.target(id, host)).status).to.equal('Skipped');
      expect(await statusOf(id)).to.equal('Stopped');
    });

    it('go on to their end once they have begun, over a restart too', async () => {
      const id = await deployed();
      const command = await host.take();
      await host.acknowledge(command);
      await world.stop(id);
      await world.restart();
      await host.complete(command);
      for (const _event of IN_PLACE_EVENTS.slice(1)) await host.carryOut();
      await world.settle();
      expect((await world.target(id, host)).status).to.equal('Succeeded');
      expect(await statusOf(id)).to.equal('Stopped');
    });

    it('are left alone, too, when they were told nothing yet', async () => {
      const poll = await world.online(host);
      poll.abort();
      await world.restart();
      const id = await world.deploy('v1');
      await world.stop(id);
      await world.online(host);
      expect(await statusOf(id)).to.equal('Stopped');
      expect((await world.target(id, host)).status).to.equal('Skipped');
    });
  });

  it('say nothing that counts by a completion that is none', async () => {
    const id = await deployed();
    const command = await host.take();
    await host.acknowledge(command);
    await host.complete(command, { status: 'InProgress' });
    await host.complete(command, { status: 'Pending' });
    await host.complete({ id: 'of another' }, failed());
    expect((await eventsOf(id))[0]).to.equal('ApplicationStop InProgress');
  });

  it('do not keep a coordinator from ending whose disk is full', async () => {
    await deployed();
    const command = await host.take();
    const { transaction } = world.database;
    world.database.transaction = () => Promise.reject(new Error('database or disk is full'));
    try {
      const answer = world.commandHosts.acknowledge(host.contact, command.id, false).catch((error: Error) => error);
      await world.clock.advance(1_000);
      let hasEnded = false;
      void world.core.stop().then(() => {
        hasEnded = true;
      });
      await world.clock.advance(5_000);
      expect(hasEnded).to.equal(true);
      expect(isAppError(await answer, 'unavailable')).to.equal(true);
    } finally {
      world.database.transaction = transaction;
    }
  });

  it('know only their own deployment', async () => {
    const id = await deployed();
    expect(await world.until(world.commandHosts.assignmentOf(host.contact, id))).to.include({ deploymentId: id });
    const other = await world.until(world.commandHosts.assignmentOf(host.contact, 'd-OTHEROTHE')).catch((e) => e);
    expect(other).to.include({ code: 'not_found' });
  });
});

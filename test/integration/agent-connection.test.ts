import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { createWebSocketTransport } from '../../agent/connection/websocket.ts';
import type { AppError } from '../../shared/core/errors.ts';
import { AgentProcess, anAssignment, hooksAppSpec, makeBundle, type TestBundle } from '../support/agent-process.ts';
import { type FakeCoordinator, startFakeCoordinator } from '../support/fake-coordinator.ts';

describe('an agent and its connection', function () {
  this.timeout(60_000);
  let coordinator: FakeCoordinator;
  let agent: AgentProcess;
  let bundle: TestBundle;
  let gate: string;

  beforeEach(async () => {
    coordinator = await startFakeCoordinator();
    agent = new AgentProcess(coordinator);
    gate = join(agent.directory, 'gate');
    bundle = await makeBundle(hooksAppSpec({ AfterInstall: ['run.sh'] }), {
      'run.sh': `#!/bin/sh\necho "$DEPLOYMENT_ID" >> ${agent.directory}/trace\necho printed\n`,
    });
    coordinator.addBundle(bundle.digest, bundle.bytes);
    await agent.enrol();
  });
  afterEach(async () => {
    await agent.remove();
    await coordinator.close();
  });

  async function deploy(changes: Parameters<typeof anAssignment>[1] = {}, from = bundle): Promise<string> {
    const assignment = anAssignment(from, changes);
    coordinator.assign(assignment);
    await coordinator.until('finished', () => coordinator.finished(assignment.deploymentId) !== undefined);
    return assignment.deploymentId;
  }

  it('passes over frames that it does not know, cannot read, or that come too early or twice', async () => {
    agent.start();
    await agent.connected();
    const bad = ['', 'no json', '[]', '{}', '{"kind":"moon-phase","phase":3}', '{"kind":"assignment"}'];
    const hostile = anAssignment(bundle, { deploymentGroupId: '../../escape' });
    for (const frame of bad) coordinator.sendRaw(frame);
    coordinator.sendRaw(JSON.stringify({ kind: 'challenge', nonce: 'x'.repeat(16), coordinatorId: 'c-other' }));
    coordinator.sendRaw(JSON.stringify({ kind: 'acknowledged', sequence: 999 }));
    coordinator.sendRaw(JSON.stringify({ kind: 'acknowledged', sequence: 0, colour: 'of a later version' }));
    coordinator.assign(hostile);
    await coordinator.until('refused', () => coordinator.finished(hostile.deploymentId) !== undefined);
    expect(coordinator.finished(hostile.deploymentId)).to.include({ status: 'Failed' });
    expect(coordinator.finished(hostile.deploymentId)?.message).to.contain('cannot name a directory');
    await deploy();
    expect(coordinator.hellos).to.have.length(1);
    expect(coordinator.violations).to.deep.equal([]);
  });

  it('drops a connection with a frame that is too large, or too many bad ones, and comes back', async () => {
    agent.start();
    await agent.connected();
    coordinator.sendRaw(JSON.stringify({ kind: 'assignment', padding: 'x'.repeat(300_000) }));
    await coordinator.until('back', () => coordinator.hellos.length === 2 && coordinator.isConnected());
    for (let n = 0; n < 20; n++) coordinator.sendRaw('nonsense');
    await coordinator.until('back again', () => coordinator.hellos.length === 3 && coordinator.isConnected());
    await deploy();
    expect(coordinator.violations).to.deep.equal([]);
  });

  it('sends its reports again after a reconnection until they are acknowledged, and never out of order', async () => {
    agent.start();
    await agent.connected();
    coordinator.behaviour.loseAcknowledgements = true;
    const first = anAssignment(bundle);
    coordinator.assign(first);
    await coordinator.until('some arrived', () => coordinator.reports.length > 0);
    for (let connection = 2; connection <= 4; connection++) {
      coordinator.dropConnections();
      await coordinator.until('back', () => coordinator.hellos.length === connection && coordinator.isConnected());
    }
    coordinator.behaviour.loseAcknowledgements = false;
    coordinator.dropConnections();
    await coordinator.until('finished', () => coordinator.finished(first.deploymentId) !== undefined);
    await deploy();
    expect(coordinator.violations).to.deep.equal([]);
    expect(readFileSync(join(agent.directory, 'trace'), 'utf8').trim().split('\n')).to.have.length(2);
  });

  it('works on without its coordinator and tells it everything afterwards', async () => {
    const waiting = await makeBundle(hooksAppSpec({ AfterInstall: ['wait.sh'] }), {
      'wait.sh': `#!/bin/sh\nwhile [ ! -e ${gate} ]; do sleep 0.02; done\n`,
    });
    coordinator.addBundle(waiting.digest, waiting.bytes);
    agent.start();
    await agent.connected();
    const assignment = anAssignment(waiting);
    coordinator.assign(assignment);
    await coordinator.until('the hook runs', () => coordinator.runningEvents.length > 0);
    coordinator.behaviour.refuseUpgradeWith = 503;
    coordinator.behaviour.problem = { kind: 'problem', code: 'out_of_order', message: 'not now', fatal: false };
    coordinator.dropConnections();
    writeFileSync(gate, '');
    const ended = () =>
      existsSync(join(agent.stateDirectory, 'journal')) &&
      readFileSync(join(agent.stateDirectory, 'journal'), 'utf8').includes('"kind":"finished"');
    while (!ended()) await new Promise((resolve) => setTimeout(resolve, 10));
    coordinator.behaviour.refuseUpgradeWith = null;
    coordinator.behaviour.problem = null;
    coordinator.dropConnections();
    await coordinator.until(
      'told',
      () => coordinator.finished(assignment.deploymentId)?.status === 'Succeeded',
      30_000,
    );
    expect(coordinator.violations).to.deep.equal([]);
  });

  it('falls back to long poll where WebSockets are refused, with everything working over it', async () => {
    coordinator.behaviour.refuseUpgradeWith = 403;
    agent.start();
    await agent.connected();
    const deploymentId = await deploy();
    expect(coordinator.transports).to.deep.equal(['long-poll']);
    expect(coordinator.finished(deploymentId)?.status).to.equal('Succeeded');
    await coordinator.until('output', () => coordinator.outputOf(deploymentId, 'AfterInstall').length > 0);
    coordinator.behaviour.refuseUpgradeWith = null;
    coordinator.dropConnections();
    await coordinator.until('back', () => coordinator.hellos.length === 2 && coordinator.isConnected());
    await deploy();
    expect(coordinator.violations).to.deep.equal([]);
  });

  it('stays with WebSockets when a proxy says that the coordinator is away: they are not refused', async () => {
    const { connect } = createWebSocketTransport({ coordinatorUrl: coordinator.url, ca: null });
    const outcomes: unknown[] = [];
    for (const status of [502, 503, 504, 403, 404]) {
      coordinator.behaviour.refuseUpgradeWith = status;
      const failure = await connect({ onFrame() {}, onClosed() {} }).then(
        () => null,
        (error: AppError) => error,
      );
      expect(failure?.message).to.contain(`answered ${status} instead of opening a WebSocket`);
      outcomes.push(failure?.details['upgradeStatus']);
    }
    expect(outcomes).to.deep.equal([undefined, undefined, undefined, 403, 404]);
  });

  it('says why it is refused and does not come back at once', async () => {
    coordinator.behaviour.problem = {
      kind: 'problem',
      code: 'host_cloned',
      message: 'two hosts have this key',
      hint: 'enrol one of them again',
      fatal: true,
    };
    agent.start();
    while (!agent.log.includes('the coordinator refuses this agent'))
      await new Promise((resolve) => setTimeout(resolve, 10));
    expect(agent.log).to.match(/two hosts have this key.*enrol one of them again/);
    while (!agent.log.includes('retryInMs')) await new Promise((resolve) => setTimeout(resolve, 10));
    expect(Number(/"retryInMs":(\d+)/.exec(agent.log)?.[1])).to.be.at.least(60_000);
  });

  it('waits as well when that is said in a language with other letters', async () => {
    coordinator.behaviour.problem = {
      kind: 'problem',
      code: 'host_unknown',
      message:
        'оператор велел координатору забыть этот хост, и координатор забыл его вместе со всеми его ключами и развёртываниями',
      hint: '',
      fatal: true,
    };
    agent.start();
    while (!agent.log.includes('"retryInMs"') && !agent.log.includes('RangeError'))
      await new Promise((resolve) => setTimeout(resolve, 10));
    expect(agent.log).not.to.contain('RangeError');
    expect(Number(/"retryInMs":(\d+)/.exec(agent.log)?.[1])).to.be.at.least(60_000);
  });

  it('tells in its status why it is refused, also when it was connected before', async () => {
    agent.start();
    await agent.connected();
    coordinator.behaviour.problem = {
      kind: 'problem',
      code: 'host_unknown',
      message: 'an operator has made the coordinator forget this host',
      hint: 'enrol it again',
      fatal: true,
    };
    // Long enough for the goodbye to be what it told last.
    coordinator.sendRaw(JSON.stringify({ kind: 'goodbye', reason: 'stopping', reconnectAfterMs: 1_500 }));
    let told = '';
    while (!told.includes('host_unknown')) {
      const { code, stdout } = await agent.command('status');
      expect(code).to.equal(0);
      told = stdout;
    }
    expect(told).to.match(/^connection {2}waiting since .*: host_unknown: an operator has made/m);
  });

  it('takes up a goodbye: comes back after the time it was given', async () => {
    agent.start();
    await agent.connected();
    coordinator.sendRaw(JSON.stringify({ kind: 'goodbye', reason: 'stopping', reconnectAfterMs: 50 }));
    await coordinator.until('back', () => coordinator.hellos.length === 2 && coordinator.isConnected());
    await deploy();
  });

  it('begins a new journal when the coordinator knows more of the old one than the host does', async () => {
    agent.start();
    await agent.connected();
    await deploy();
    coordinator.behaviour.welcomeSequence = 1_000;
    coordinator.dropConnections();
    await coordinator.until('said hello', () => coordinator.hellos.length >= 2);
    coordinator.behaviour.welcomeSequence = null;
    await coordinator.until(
      'a new journal',
      () => new Set(coordinator.hellos.map((hello) => hello.journalId)).size === 2,
    );
    await coordinator.until('connected', () => coordinator.isConnected());
    await deploy();
    expect(coordinator.violations).to.deep.equal([]);
  });

  it('continues a download where it was cut', async () => {
    const { randomBytes } = await import('node:crypto');
    const large = await makeBundle(hooksAppSpec({}), { 'data.bin': randomBytes(1_000_000).toString('base64') });
    coordinator.addBundle(large.digest, large.bytes);
    coordinator.behaviour.cutDownloadsAt = [300_000, 100_000];
    agent.start();
    await agent.connected();
    const deploymentId = await deploy({}, large);
    expect(coordinator.finished(deploymentId)?.status).to.equal('Succeeded');
    const offsets = coordinator.downloads.map((download) => Number(download.split('@')[1]));
    expect(offsets).to.have.length(3);
    expect(offsets[1]).to.be.greaterThan(0);
    expect(offsets[2]).to.be.greaterThan(offsets[1] ?? 0);
  });

  it('brings 3 MB of output over, though connections are cut in the middle', async () => {
    const loud = await makeBundle(hooksAppSpec({ AfterInstall: ['loud.sh'] }), {
      'loud.sh': '#!/bin/sh\ni=0; while [ $i -lt 3000 ]; do printf "%08d %01015d\\n" $i 0; i=$((i+1)); done\n',
    });
    coordinator.addBundle(loud.digest, loud.bytes);
    agent.start();
    await agent.connected();
    const assignment = anAssignment(loud);
    coordinator.assign(assignment);
    const output = () => coordinator.outputOf(assignment.deploymentId, 'AfterInstall');
    await coordinator.until('some of it', () => output().length > 100_000);
    coordinator.dropConnections();
    await coordinator.until('all of it', () => output().length === 3_000 * 1_025);
    const lines = output().toString().trimEnd().split('\n');
    expect(lines.every((line, index) => Number(line.slice(0, 8)) === index)).to.equal(true);
    expect(coordinator.finished(assignment.deploymentId)?.status).to.equal('Succeeded');
  });
});

import { expect } from 'chai';
import { aDeployment, aFailedTarget, aTarget, T0 } from '../support/api-samples.ts';
import { CliProcess, hasPseudoTerminal } from '../support/cli-process.ts';
import { FakeApi, problem } from '../support/fake-api.ts';
import { FakeHerd } from '../support/fake-herd.ts';

const ID = 'd-8K1M2N3P4';
const HIDE = '\u001b[?25l';
const SHOW = '\u001b[?25h';

async function until(condition: () => boolean): Promise<void> {
  const limit = Date.now() + 15_000;
  while (!condition()) {
    expect(Date.now()).to.be.lessThan(limit, 'waited too long');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

describe('drover watches deployments', function () {
  this.timeout(60_000);
  let api: FakeApi;
  let cli: CliProcess;
  beforeEach(async () => {
    api = await FakeApi.start();
    cli = await CliProcess.create(api.url);
  });
  afterEach(async () => {
    await api.close();
    await cli.remove();
  });

  const failing = (herd: FakeHerd) => herd.start('api-1').succeed('api-1').start('api-2').fail('api-2');
  const error = { code: 'HEALTH_CONSTRAINTS' as const, message: 'too many hosts failed' };

  describe('without a terminal', () => {
    it('exit 0: a line for each change, then the verdict; no cursor is moved', async () => {
      const herd = new FakeHerd(api);
      const watch = cli.start(['deploy', 'web/prod', '1.9.0', '--yes']);
      await watch.shows(/started 1\.8\.4->1\.9\.0 web\/prod 5 hosts, stops at 1 failure/);
      for (const name of ['api-1', 'api-2', 'api-3', 'api-4', 'api-5']) herd.start(name).succeed(name);
      herd.end('Succeeded');
      const { exit, stdout } = await watch.finished;
      expect(exit).to.equal(0);
      expect(stdout.split('\n')[0]).to.equal(`${ID}  web/prod  1.9.0`);
      expect(stdout).to.match(/\d\d:\d\d:\d\dZ d-8K1M2N3P4 api-5 Succeeded in 1 s\n/);
      expect(stdout).to.match(/Succeeded in 1 min( \d\d s)?: 5 of 5 hosts run 1\.9\.0\.\n$/);
      expect(stdout).not.to.contain('\u001b');
    });

    it('exit 5: failed and not rolled back, with the cause and its lines', async () => {
      failing(new FakeHerd(api)).end('Failed', {
        errorInformation: error,
        rollbackInfo: {
          rollbackDeploymentId: null,
          rollbackTriggeringDeploymentId: null,
          rollbackMessage: 'there is no earlier success',
        },
      });
      const { exit, stdout, stderr } = await cli.run(['watch', ID]);
      expect(exit).to.equal(5);
      expect(stdout).to.contain('  AfterInstall > scripts/migrate.sh  exited 1   1 host: api-2');
      expect(stdout).to.contain('  > ERROR: relation "orders_v2" already exists');
      expect(stdout).to.contain('Not rolled back: there is no earlier success');
      expect(stderr).to.contain('[exit 5 failed]');
    });

    it('exit 6: failed, and its rollback is watched to its end, however late it is known', async () => {
      const herd = new FakeHerd(api);
      const back = new FakeHerd(
        api,
        { id: 'd-ROLLBACK1', creator: 'codeDeployRollback', revisionLabel: '1.8.4', previousRevisionLabel: null },
        ['api-1', 'api-2'],
      );
      const watch = cli.start(['watch', ID]);
      await until(() => herd.feed.readers > 0);
      failing(herd).end('Failed', { errorInformation: error });
      // The coordinator decides on the rollback a moment after the end.
      await until(() => api.requested('GET', `/v1/deployments/${ID}`).length >= 3);
      herd.deployment = {
        ...herd.deployment,
        rollbackInfo: { ...herd.deployment.rollbackInfo, rollbackDeploymentId: 'd-ROLLBACK1' },
      };
      await watch.shows(/d-ROLLBACK1 rollback 1\.8\.4 web\/prod/);
      back.start('api-1').succeed('api-1').start('api-2').succeed('api-2').end('Succeeded');
      const { exit, stdout } = await watch.finished;
      expect(exit).to.equal(6);
      expect(stdout).to.match(/Rolled back: 2 of 2 hosts run 1\.8\.4 again/);
    });

    it('exit 6: also when the coordinator is away just between the deployment and its rollback', async () => {
      const herd = new FakeHerd(api);
      const back = new FakeHerd(api, { id: 'd-ROLLBACK1', creator: 'codeDeployRollback' }, ['api-1']);
      const watch = cli.start(['watch', ID]);
      await until(() => herd.feed.readers > 0);
      const awayFor = (times: number, deployment: () => unknown) => {
        let calls = 0;
        return () => (++calls <= times ? { cut: true } : { body: deployment() });
      };
      api.on(
        `GET /v1/deployments/${ID}`,
        awayFor(4, () => herd.deployment),
      );
      api.on(
        'GET /v1/deployments/d-ROLLBACK1',
        awayFor(4, () => back.deployment),
      );
      const rollbackInfo = { ...herd.deployment.rollbackInfo, rollbackDeploymentId: 'd-ROLLBACK1' };
      failing(herd).end('Failed', { errorInformation: error });
      herd.deployment = { ...herd.deployment, rollbackInfo };
      back.start('api-1').succeed('api-1').end('Succeeded');
      const { exit, stderr } = await watch.finished;
      expect(exit, stderr).to.equal(6);
    });

    it('exit 7: stopped by somebody', async () => {
      new FakeHerd(api).end('Stopped', { stopRequestedBy: 'ben' });
      const { exit, stdout } = await cli.run(['watch', ID]);
      expect(exit).to.equal(7);
      expect(stdout).to.contain('Stopped by ben');
    });

    it('exit 9: the watching times out, the deployment goes on', async () => {
      new FakeHerd(api).start('api-1');
      const { exit, stderr } = await cli.run(['watch', ID, '--timeout', '300ms']);
      expect(exit).to.equal(9);
      expect(stderr).to.contain(
        `The watching of ${ID} timed out; it goes on. See it: drover watch ${ID}. Stop it: drover stop ${ID}`,
      );
      expect(api.requests.filter((request) => request.method !== 'GET')).to.deep.equal([]);
    });

    it('exit 130: Ctrl C leaves the watching and says so, the first time and the second', async () => {
      const herd = new FakeHerd(api).start('api-1');
      const watch = cli.start(['watch', ID]);
      await watch.shows(/running 0 of 5 hosts succeeded, 1 running, 0 failed/);
      await until(() => herd.feed.readers > 0);
      watch.process.kill('SIGINT');
      watch.process.kill('SIGINT');
      const { exit, stderr } = await watch.finished;
      expect(exit).to.equal(130);
      expect(stderr).to.contain(`Left ${ID} running. See it: drover watch ${ID}. Stop it: drover stop ${ID}`);
      expect(api.requests.filter((request) => request.method !== 'GET')).to.deep.equal([]);
      await until(() => herd.feed.readers === 0);
    });

    it('exit 130: a reader that has seen enough has not seen the end', async () => {
      const herd = new FakeHerd(api).start('api-1');
      const watch = cli.start(['watch', ID]);
      await watch.shows(/running 0 of 5 hosts succeeded, 1 running, 0 failed/);
      await until(() => herd.feed.readers > 0);
      watch.process.stdout?.destroy();
      herd.succeed('api-1').start('api-2').fail('api-2');
      const { exit, stderr } = await watch.finished;
      expect(exit, stderr).to.equal(130);
      expect(stderr).to.contain(`Left ${ID} running.`);
    });

    it('exit 0: deploys, and watches to the end, also when nobody reads its notes', async () => {
      new FakeHerd(api).end('Succeeded');
      const deploy = cli.start(['deploy', 'web/prod', '--yes']);
      deploy.process.stderr?.destroy();
      const { exit, stdout } = await deploy.finished;
      expect(exit).to.equal(0);
      expect(stdout).to.contain('Succeeded');
    });

    it('exit 3: a deployment runs already, and how to see it', async () => {
      new FakeHerd(api);
      api.on('POST /v1/deployments', () =>
        problem('conflict', 'd-OTHER0001 runs in web/prod', { details: { activeDeploymentId: 'd-OTHER0001' } }),
      );
      const { exit, stderr } = await cli.run(['deploy', 'web/prod', '--yes']);
      expect(exit).to.equal(3);
      expect(stderr).to.contain('drover watch d-OTHER0001');
      expect(stderr).to.contain('[exit 3 refused]');
    });

    it('exit 4: nothing to do', async () => {
      new FakeHerd(api);
      api.on('POST /v1/deployments', () =>
        problem('conflict', 'all hosts run it', { details: { reason: 'nothing_to_do' } }),
      );
      const { exit } = await cli.run(['deploy', 'web/prod', '--yes', '--outdated-only']);
      expect(exit).to.equal(4);
      expect(api.requested('POST', '/v1/deployments')[0]?.body).to.include({ updateOutdatedInstancesOnly: true });
    });

    it('exits 10, 11 and 12: not found, not permitted, unreachable', async () => {
      expect((await cli.run(['watch', 'd-NOPE00000'])).exit).to.equal(10);
      api.on('GET /v1/deployments/:deployment', () => problem('forbidden', 'only a deployer may'));
      expect((await cli.run(['watch', ID])).exit).to.equal(11);
      const { url } = api;
      await api.close();
      const { exit, stderr } = await cli.run(['watch', ID]);
      expect(exit).to.equal(12);
      expect(stderr).to.contain(`cannot reach ${url}: connection refused`);
      api = await FakeApi.start();
    });

    it('sends a creation again when its answer is lost, and does not make two', async () => {
      const herd = new FakeHerd(api);
      herd.end('Succeeded');
      let calls = 0;
      api.on('POST /v1/deployments', () => (++calls === 1 ? { cut: true } : { status: 201, body: herd.deployment }));
      expect((await cli.run(['deploy', 'web/prod', '--yes'])).exit).to.equal(0);
      const keys = api
        .requested('POST', '/v1/deployments')
        .map((request) => (request.body as { idempotencyKey: string }).idempotencyKey);
      expect(keys).to.have.lengthOf(2);
      expect(keys[0])
        .to.match(/^[0-9a-f-]{36}$/)
        .and.to.equal(keys[1]);
    });

    it('waits for a coordinator that is away just after it has taken the deployment', async () => {
      const herd = new FakeHerd(api);
      herd.end('Succeeded');
      api.on('POST /v1/deployments', () => ({ status: 201, body: herd.deployment }));
      let calls = 0;
      api.on(`GET /v1/deployments/${ID}`, () => (++calls <= 4 ? { cut: true } : { body: herd.deployment }));
      const { exit, stderr } = await cli.run(['deploy', 'web/prod', '--yes']);
      expect(exit, stderr).to.equal(0);
    });

    it('waits, too, where too much is asked of the coordinator just then', async () => {
      const herd = new FakeHerd(api);
      herd.end('Succeeded');
      let calls = 0;
      api.on(`GET /v1/deployments/${ID}`, () =>
        ++calls <= 4 ? problem('rate_limited', 'more than 12000 requests a minute') : { body: herd.deployment },
      );
      const { exit, stderr } = await cli.run(['deploy', 'web/prod', '--yes']);
      expect(exit, stderr).to.equal(0);
    });

    it('waits for a coordinator of which too much is asked while an agent update runs', async () => {
      const update = {
        id: 'u-8K1M2N3P4',
        version: '0.2.0',
        status: 'InProgress',
        message: null,
        waves: ['100%'],
        budget: '10%',
        healthyWithinSeconds: 120,
        totalHosts: 5,
        progress: [],
        createdBy: 'ana',
        createdAt: T0,
        completedAt: null,
        stopRequestedBy: null,
      };
      let calls = 0;
      api.on(`GET /v1/agent-updates/${update.id}`, () => {
        calls++;
        if (calls > 1 && calls <= 5) return problem('rate_limited', 'more than 12000 requests a minute');
        return { body: calls === 1 ? update : { ...update, status: 'Succeeded', completedAt: T0 } };
      });
      api.on('GET /v1/agent-updates/last', update);
      const { exit, stderr } = await cli.run(['agents', 'status', '--watch']);
      expect(exit, stderr).to.equal(0);
    });

    it('loses nothing over a lost connection, and says nothing of a short one', async () => {
      const herd = new FakeHerd(api).start('api-1');
      const watch = cli.start(['watch', ID]);
      await watch.shows(/running 0 of 5 hosts succeeded, 1 running, 0 failed/);
      await until(() => herd.feed.readers > 0);
      herd.feed.refuse(true);
      herd.succeed('api-1').start('api-2').succeed('api-2');
      await until(() => herd.feed.connections >= 2);
      herd.feed.refuse(false);
      herd.end('Succeeded');
      const { exit, stdout } = await watch.finished;
      expect(exit).to.equal(0);
      expect(stdout).to.contain('api-1 Succeeded').and.to.contain('api-2 Succeeded');
      expect(stdout).not.to.contain('contact');
    });

    it('says after five seconds that there is no contact, and that there is again', async () => {
      const herd = new FakeHerd(api).start('api-1');
      const watch = cli.start(['watch', ID]);
      await watch.shows(/running 0 of 5 hosts succeeded, 1 running, 0 failed/);
      await until(() => herd.feed.readers > 0);
      herd.feed.refuse(true);
      await watch.shows(/no contact since \d\d:\d\d:\d\dZ, hosts go on by themselves/);
      herd.feed.refuse(false);
      await watch.shows(/in contact again/);
      herd.end('Stopped');
      expect((await watch.finished).exit).to.equal(7);
    });

    it('folds its log in a pipeline that can', async () => {
      new FakeHerd(api).end('Succeeded');
      const { stdout } = await cli.run(['watch', ID], { env: { GITHUB_ACTIONS: 'true' } });
      expect(stdout).to.match(/^::group::drover d-8K1M2N3P4 web\/prod 1\.9\.0\n/);
      expect(stdout).to.match(/\n::endgroup::\nSucceeded/);
    });

    it('watches the only one that runs, and asks which when there are several', async () => {
      new FakeHerd(api).end('Succeeded');
      expect((await cli.run(['watch'])).exit).to.equal(0);
      api.on('GET /v1/deployments', { items: [aDeployment(), aDeployment({ id: 'd-OTHER0001' })], nextCursor: null });
      const several = await cli.run(['watch']);
      expect(several.exit).to.equal(2);
      expect(several.stderr).to.contain('d-OTHER0001 (web/prod)');
    });
  });

  describe('as JSON', () => {
    it('prints a document a line, the last one with result and exit code', async () => {
      const herd = new FakeHerd(api);
      const watch = cli.start(['deploy', 'web/prod', '--yes', '--json', '--targets']);
      await until(() => herd.feed.readers > 0);
      failing(herd).end('Failed', {
        endingAs: 'Failed',
        errorInformation: error,
        autoRollback: { enabled: false, events: [] },
      });
      const { exit, stdout } = await watch.finished;
      expect(exit).to.equal(5);
      const lines = stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as Record<string, unknown>);
      for (const line of lines) expect(line).to.include({ v: 1, deployment: ID });
      expect(lines.map((line) => line['seq'])).to.deep.equal(lines.map((_, index) => index + 1));
      const kinds = lines.map((line) => line['kind']);
      expect(kinds[0]).to.equal('head');
      expect(new Set(kinds)).to.include.keys('target', 'cause', 'progress', 'decision');
      expect(lines[0]).to.include({ staysInService: 4, endsAtFailure: 1, willRollBackTo: '1.8.4' });
      const failed = lines.find((line) => line['kind'] === 'target' && line['to'] === 'Failed');
      expect(failed).to.include({ host: 'api-2', from: 'InProgress', event: 'AfterInstall' });
      expect(lines.at(-1)).to.deep.include({
        kind: 'ended',
        result: 'Failed',
        exit: 5,
        exitName: 'failed',
        rollback: null,
      });
    });

    it('says on its last line that it left', async () => {
      new FakeHerd(api).start('api-1');
      const { exit, stdout } = await cli.run(['watch', ID, '--json', '--timeout', '300ms']);
      expect(exit).to.equal(9);
      const lines = stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as Record<string, unknown>);
      expect(lines.at(-1)).to.include({ kind: 'left', why: 'watch-timed-out' });
      expect(lines.map(({ seq }) => seq)).to.deep.equal(lines.map((_, at) => at + 1));
    });
  });

  describe('on a terminal', () => {
    before(function () {
      if (hasPseudoTerminal()) return;
      console.log('      (no script(1) of util-linux here: the tests on a pseudo terminal are skipped)');
      this.skip();
    });

    it('asks for the name of production, with context and count, and does nothing when it is not typed', async () => {
      new FakeHerd(api);
      const deploy = cli.startOnTerminal(['deploy', 'web/prod']);
      await deploy.shows(/Deploy 1\.9\.0 to 5 hosts in web\/prod \(context http:.*\)\? {2}type {2}web\/prod : /);
      deploy.key('web/staging\n');
      const { exit, stdout } = await deploy.finished;
      expect(exit).to.equal(3);
      expect(stdout).to.contain('web/prod was not typed: nothing was changed');
      expect(api.requested('POST', '/v1/deployments')).to.deep.equal([]);
    });

    it('draws a picture in place, lets finished hosts scroll up, and gives the cursor back', async () => {
      const herd = new FakeHerd(api);
      const deploy = cli.startOnTerminal(['deploy', 'web/prod']);
      await deploy.shows(/type {2}web\/prod : /);
      deploy.key('web/prod\n');
      await deploy.shows(/0 of 5 done/);
      herd.start('api-1');
      await deploy.shows(/api-1 .*InProgress.* AfterInstall/);
      herd.succeed('api-1').start('api-2').fail('api-2');
      await deploy.shows(/first failure .*api-2.* AfterInstall > scripts\/migrate\.sh .*exited 1/);
      herd.end('Failed', { errorInformation: error, autoRollback: { enabled: false, events: [] } });
      const { exit, stdout } = await deploy.finished;
      expect(exit).to.equal(5);
      expect(stdout).to.match(/\d\d:\d\d:\d\d {2}api-1 {2}.*Succeeded/);
      expect(stdout).to.contain('\u001b[?2026h');
      expect(stdout).to.contain('HEALTH_CONSTRAINTS: too many hosts failed');
      expect(stdout.lastIndexOf(SHOW)).to.be.greaterThan(stdout.lastIndexOf(HIDE));
    });

    it('is not steered by what others wrote', async () => {
      const steering = '\u001b]0;title of mine\u0007\u001b[2J';
      const herd = new FakeHerd(api, { revisionLabel: `1.9.0${steering}` });
      const watch = cli.startOnTerminal(['watch', ID]);
      await watch.shows(/0 of 5 done/);
      herd.end('Failed', {
        errorInformation: { ...error, message: `${steering}too many hosts failed` },
        autoRollback: { enabled: false, events: [] },
      });
      const { stdout } = await watch.finished;
      expect(stdout).to.contain('too many hosts failed');
      expect(stdout).not.to.contain('title of mine').and.not.to.contain('\u001b[2J');
    });

    it('leaves with q and with Ctrl C, says so, and gives the cursor back', async () => {
      new FakeHerd(api).start('api-1');
      for (const key of ['q', '\u0003']) {
        const watch = cli.startOnTerminal(['watch', ID]);
        await watch.shows(/api-1 .*InProgress/);
        watch.key(key);
        const { exit, stdout } = await watch.finished;
        expect(exit).to.equal(130);
        expect(stdout).to.contain(`Left ${ID} running. See it: drover watch ${ID}. Stop it: drover stop ${ID}`);
        expect(stdout.lastIndexOf(SHOW)).to.be.greaterThan(stdout.lastIndexOf(HIDE));
      }
      expect(api.requests.filter((request) => request.method !== 'GET')).to.deep.equal([]);
    });

    it('stops with s, but only after a yes', async () => {
      const herd = new FakeHerd(api).start('api-1');
      api.on('POST /v1/deployments/:deployment/stop', () => {
        herd.succeed('api-1').end('Stopped', { stopRequestedBy: 'ana' });
        return { body: { stopStatus: 'Pending', deployment: herd.deployment } };
      });
      const watch = cli.startOnTerminal(['watch', ID]);
      await watch.shows(/api-1 .*InProgress/);
      watch.key('s');
      await watch.shows(/Stop d-8K1M2N3P4\? No further host starts/);
      watch.key('n');
      watch.key('s');
      watch.key('y');
      const { exit, stdout } = await watch.finished;
      expect(exit).to.equal(7);
      expect(stdout).to.contain('Stopped');
      expect(api.requested('POST', `/v1/deployments/${ID}/stop`)).to.have.lengthOf(1);
    });

    it('shows causes with w and the log of the running host with l', async () => {
      const herd = new FakeHerd(api).start('api-1').fail('api-1').start('api-2');
      api.on('GET /v1/deployments/:deployment/targets/:host/events/:event/output', {
        offset: 0,
        text: 'Migrating 2026112201 (3/7)\n',
        nextOffset: 27,
        length: 27,
        isTruncated: false,
      });
      const watch = cli.startOnTerminal(['watch', ID]);
      await watch.shows(/api-2 .*InProgress/);
      watch.key('w');
      await watch.shows(/1 cause, 1 host/);
      watch.key('l');
      await watch.shows(/log of api-2 AfterInstall/);
      await watch.shows(/Migrating 2026112201 \(3\/7\)/);
      herd.end('Stopped');
      expect((await watch.finished).exit).to.equal(7);
    });

    it('keeps to a small terminal', async () => {
      const herd = new FakeHerd(api).start('api-1');
      const watch = cli.startOnTerminal(['watch', ID], { size: 'cols 40 rows 6' });
      await watch.shows(/api-1/);
      herd.end('Stopped');
      const { stdout } = await watch.finished;
      const picture = stdout.slice(stdout.indexOf(HIDE), stdout.indexOf('\u001b[?2026l'));
      expect(picture.split('\n').length).to.be.at.most(7);
    });

    it('is plain with a dumb terminal', async () => {
      new FakeHerd(api).end('Succeeded');
      const { stdout } = await cli.startOnTerminal(['watch', ID], { env: { TERM: 'dumb' } }).finished;
      expect(stdout).to.contain('started 1.8.4->1.9.0');
      expect(stdout).not.to.contain('\u001b');
    });
  });

  it('prints what scripts printed: all, the ends, of one host, as JSON, and as it comes', async () => {
    const herd = new FakeHerd(api).start('api-1').succeed('api-1').start('api-2').fail('api-2');
    const events = [
      { name: 'Install', status: 'Succeeded', startedAt: T0, endedAt: T0, durationMs: 5, diagnostics: null },
      { name: 'AfterInstall', status: 'Failed', startedAt: T0, endedAt: T0, durationMs: 5, diagnostics: null },
    ];
    api.on('GET /v1/deployments/:deployment/targets/:host', ({ params }: { params: Record<string, string> }) => ({
      body: {
        ...(params['host'] === 'api-2' ? aFailedTarget('api-2') : aTarget('api-1', { status: 'Succeeded' })),
        lifecycleEvents: events,
      },
    }));
    let printed = 'one\ntwo\n\u001b[31mthree\u001b[0m\n';
    const refusals: string[] = [];
    api.on(
      'GET /v1/deployments/:deployment/targets/:host/events/AfterInstall/output',
      ({ query }: { query: Record<string, string> }) => {
        const refusal = refusals.shift();
        if (refusal !== undefined) return problem(refusal, 'not now');
        const bytes = Buffer.from(printed);
        const offset = Number(query['offset'] ?? 0);
        const text = bytes.subarray(offset, offset + 8).toString('utf8');
        return {
          body: {
            offset,
            text,
            nextOffset: Math.min(bytes.length, offset + 8),
            length: bytes.length,
            isTruncated: false,
          },
        };
      },
    );
    expect((await cli.run(['logs', ID])).stdout).to.equal(
      'api-1 AfterInstall  one\napi-1 AfterInstall  two\napi-1 AfterInstall  three\napi-2 AfterInstall  one\napi-2 AfterInstall  two\napi-2 AfterInstall  three\n',
    );
    expect((await cli.run(['logs', ID, '--failed', '--tail', '1'])).stdout).to.equal('api-2 AfterInstall  three\n');
    expect((await cli.run(['logs', ID, 'api-2', 'afterinstall'])).stdout).to.equal('one\ntwo\nthree\n');
    expect((await cli.run(['logs', ID, 'api-2', 'AfterInstall', '--raw'])).stdout).to.equal(printed);
    expect((await cli.run(['logs', ID, 'api-2', '--grep', '^t', '--json'])).stdout.trim().split('\n')).to.have.lengthOf(
      2,
    );
    expect((await cli.run(['logs', ID, 'api-2', 'NoEvent'])).exit).to.equal(2);
    const following = cli.start(['logs', ID, 'api-2', 'AfterInstall', '-f']);
    await following.shows(/three\n/);
    // A restart of the coordinator, and too many who ask: what is printed goes on where it was.
    refusals.push('unavailable', 'rate_limited', 'unavailable', 'rate_limited', 'unavailable');
    await until(() => refusals.length === 0);
    printed += 'fo';
    await until(() => api.requests.some((request) => request.query['offset'] === String(Buffer.byteLength(printed))));
    printed += 'ur\n';
    herd.end('Failed');
    const { exit, stdout } = await following.finished;
    expect(exit).to.equal(0);
    expect(stdout).to.equal('one\ntwo\nthree\nfour\n');
  });

  it('says that a script printed more than is kept, and shows the last lines of what is', async () => {
    new FakeHerd(api).start('api-1').succeed('api-1').start('api-2').fail('api-2');
    api.on('GET /v1/deployments/:deployment/targets/:host', { ...aFailedTarget('api-2'), lifecycleEvents: [] });
    const kept = Buffer.from('one\ntwo\nthree\nfo');
    api.on(
      'GET /v1/deployments/:deployment/targets/:host/events/AfterInstall/output',
      ({ query }: { query: Record<string, string> }) => {
        const offset = Number(query['offset'] ?? 0);
        const text = kept.subarray(offset, offset + 8).toString('utf8');
        return { body: { offset, text, nextOffset: offset + text.length, length: 9_000_000, isTruncated: true } };
      },
    );
    const { stdout, stderr } = await cli.run(['logs', ID, 'api-2', 'AfterInstall', '--tail', '2']);
    expect(stdout).to.equal('three\nfo\n');
    expect(stderr).to.contain('(api-2 AfterInstall printed more than the coordinator keeps)');
    expect((await cli.run(['logs', ID, 'api-2', 'AfterInstall'])).stdout).to.equal('one\ntwo\nthree\nfo\n');
  });
});

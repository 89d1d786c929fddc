import { existsSync } from 'node:fs';
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { expect } from 'chai';
import type { Deployment } from '../../shared/model/deployment.ts';
import type { Host } from '../../shared/model/host.ts';
import { aDeployment, aGroup, aGroupHost, aHost, aRevision, aTarget, T0 } from '../support/api-samples.ts';
import { CliProcess, hasPseudoTerminal } from '../support/cli-process.ts';
import { FakeApi, problem } from '../support/fake-api.ts';
import { FakeHerd } from '../support/fake-herd.ts';

const page = (...items: unknown[]) => ({ items, nextCursor: null });
const who = {
  name: 'ana',
  role: 'deployer',
  coordinatorId: 'c-1',
  coordinatorVersion: '0.1.0',
  protocol: { major: 1, minor: 0 },
  now: 0,
};

describe('drover (the command) without a terminal', function () {
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

  describe('output', () => {
    it('puts data on stdout and everything else on stderr', async () => {
      new FakeHerd(api);
      const { exit, stdout, stderr } = await cli.run(['deploy', 'web/prod', '1.9.0', '--yes', '--detach']);
      expect(exit).to.equal(0);
      expect(stdout).to.equal('d-8K1M2N3P4  web/prod  1.9.0\n');
      expect(stderr).to.contain('Plan: 1.8.4 → 1.9.0 on 5 hosts');
      expect(stderr).to.contain('drover watch d-8K1M2N3P4');
    });

    it('prints ids alone with --quiet', async () => {
      new FakeHerd(api);
      const deployed = await cli.run(['deploy', 'web/prod', '--yes', '--detach', '--quiet']);
      expect(deployed).to.deep.equal({ exit: 0, stdout: 'd-8K1M2N3P4\n', stderr: '' });
      api.on('GET /v1/hosts', page(aHost('web-1'), aHost('web-2')));
      expect((await cli.run(['hosts', 'ls', '-q'])).stdout).to.equal('web-1\nweb-2\n');
    });

    it('prints versioned JSON with --json, instants as UTC', async () => {
      api.on('GET /v1/hosts', page(aHost('web-1')));
      const { stdout, stderr } = await cli.run(['hosts', 'ls', '--json']);
      const document = JSON.parse(stdout) as { v: number; items: { name: string; presenceSince: string }[] };
      expect(document.v).to.equal(1);
      expect(document.items[0]).to.include({ name: 'web-1', presenceSince: new Date(T0).toISOString() });
      expect(stderr).to.equal('');
    });

    it('prints errors as JSON on stdout with --json, and keeps the exit code', async () => {
      api.on('GET /v1/hosts/:host', () =>
        problem('not_found', 'there is no host web-9', { hint: 'Did you mean web-1?' }),
      );
      const { exit, stdout } = await cli.run(['hosts', 'show', 'web-9', '--json']);
      expect(exit).to.equal(10);
      expect(JSON.parse(stdout)).to.deep.equal({
        error: {
          code: 'not_found',
          message: 'there is no host web-9',
          hint: 'Did you mean web-1?',
          requestId: 'req-1',
          details: {},
          exit: 10,
          exitName: 'not-found',
        },
      });
    });

    it('tells what failed, what to do, the request, and the name of its exit code', async () => {
      api.on('GET /v1/hosts/:host', () =>
        problem('not_found', 'there is no host web-9', { hint: 'Did you mean web-1?' }),
      );
      const { stdout, stderr } = await cli.run(['hosts', 'show', 'web-9']);
      expect(stdout).to.equal('');
      expect(stderr).to.equal(
        'error: there is no host web-9\n  Did you mean web-1?\n  request req-1\n[exit 10 not-found]\n',
      );
    });

    it('colours only when it is told to, and stays in ASCII when the locale is not UTF-8', async () => {
      new FakeHerd(api);
      const plan = ['deploy', 'web/prod', '--yes', '--detach'];
      expect((await cli.run(plan)).stderr).not.to.contain('\u001b');
      expect((await cli.run([...plan, '--color', 'always'])).stderr).to.contain('\u001b[1mPlan');
      expect((await cli.run(plan, { env: { FORCE_COLOR: '1' } })).stderr).to.contain('\u001b[');
      expect((await cli.run(plan, { env: { LANG: 'C' } })).stderr).to.contain('1.8.4 -> 1.9.0');
      expect((await cli.run([...plan, '--ascii'])).stderr).to.contain('1.8.4 -> 1.9.0');
    });

    it('takes what steers a terminal out of what hosts printed', async () => {
      new FakeHerd(api);
      api.on('GET /v1/deployments/:deployment/causes', {
        items: [
          {
            lifecycleEvent: 'AfterInstall',
            scriptName: 'x.sh',
            errorCode: 'ScriptFailed',
            message: 'm',
            exitCode: 1,
            logTail: 'bad \u001b[2Jthing\u0007',
            hostCount: 1,
            hostNames: ['api-1'],
            firstAt: T0,
          },
        ],
      });
      const { stdout } = await cli.run(['why', 'd-8K1M2N3P4']);
      expect(stdout).to.contain('> bad thing\n');
      expect(stdout).to.contain('1 cause, 1 host, first at 14:02:00');
    });
  });

  it('lets nothing steer the terminal that somebody wrote into a name or a description', async () => {
    const evil = '\u001b]0;pwned\u0007\u001b[2Jgood\u009b2J\r\u001b[31m';
    api.on('GET /v1/applications', page({ id: 'a-1', name: 'web', description: evil, createdAt: 0 }));
    const apps = await cli.run(['apps', 'ls']);
    await mkdir(join(cli.home, 'evil'));
    await writeFile(
      join(cli.home, 'evil/appspec.yml'),
      'version: 0.0\nos: linux\n"\\e]0;pwned\\ax": 1\n# \u001b[2J\nhooks: {"\\e[2Jx": }\n',
    );
    const lint = await cli.run(['lint', 'evil']);
    expect(apps.stdout, apps.stderr).to.contain('good');
    expect(lint.stdout).to.contain('unknown-key').and.contain('hook-event-unknown');
    // biome-ignore lint/suspicious/noControlCharactersInRegex: it is control characters that are looked for
    expect(`${apps.stdout}${lint.stdout}${lint.stderr}`).not.to.match(/\u001b(?!\[[\d;]*m)|[\u0007\r\u009b]/);
  });

  describe('a rollback', () => {
    it('is told by why and status as what became of it', async () => {
      new FakeHerd(api, {
        status: 'Failed',
        rollbackInfo: {
          rollbackDeploymentId: 'd-ROLLBACK1',
          rollbackTriggeringDeploymentId: null,
          rollbackMessage: 'd-ROLLBACK1 is to roll it back to 1.8.4.',
        },
      });
      api.on('GET /v1/deployments/:deployment/causes', { items: [] });
      const told = async (status: Deployment['status']) => {
        api.on('GET /v1/deployments/d-ROLLBACK1', aDeployment({ id: 'd-ROLLBACK1', status, revisionLabel: '1.8.4' }));
        const why = await cli.run(['why', 'd-8K1M2N3P4']);
        const shown = await cli.run(['status', 'd-8K1M2N3P4']);
        const inStatus = shown.stdout.split('\n').filter((line) => line.startsWith('Roll'));
        return [why.stdout.trim().split('\n').at(-1), ...inStatus.map((line) => line.replace(/ +/g, ' '))];
      };
      expect(await told('Succeeded')).to.deep.equal([
        'Rolled back by d-ROLLBACK1.',
        'Rolled back by d-ROLLBACK1 to 1.8.4',
      ]);
      expect(await told('Failed')).to.deep.equal([
        'Rollback d-ROLLBACK1 to 1.8.4 failed. See: drover why d-ROLLBACK1',
        'Rollback d-ROLLBACK1 to 1.8.4 failed',
      ]);
      expect((await told('InProgress'))[0]).to.equal(
        'Rollback d-ROLLBACK1 to 1.8.4 has not ended yet. See: drover watch d-ROLLBACK1',
      );
    });
  });

  describe('the plan of a part of a group', () => {
    it('tells of the hosts that were chosen, however they were', async () => {
      new FakeHerd(api);
      const gone = { presence: 'Offline', revisionId: 'r-bbbbbbbbbbbb' } as const;
      api.on(
        'GET /v1/applications/:application/deployment-groups/:group/hosts',
        page(aGroupHost('api-1'), aGroupHost('api-2', gone), aGroupHost('api-3')),
      );
      const zones: Record<string, Host[]> = { 'zone=a': [aHost('api-1'), aHost('other')], zone: [aHost('api-2')] };
      const inB = aHost('api-3', { tags: { zone: 'b' } });
      api.on('GET /v1/hosts', ({ query }) => ({
        body: page(...(query['tag'] === undefined ? [aHost('api-1'), inB] : (zones[query['tag']] ?? []))),
      }));
      api.on('GET /v1/deployments/:deployment/targets', ({ query }) => ({
        body: page(...(query['status'] === 'Failed' ? [aTarget('api-3')] : [aTarget('api-1')])),
      }));
      const planOf = async (...only: string[]) => {
        const filters = only.flatMap((filter) => ['--only', filter]);
        const { stderr } = await cli.run(['deploy', 'web/prod', '1.9.0', ...filters, '--yes', '--detach']);
        return stderr.split('\n').filter((line) => /^Plan|^ {2}/.test(line));
      };
      const [whole] = await planOf('host:api-1,api-3');
      expect(whole).to.equal('Plan: 1.8.4 → 1.9.0 on 2 of 3 hosts, CodeDeployDefault.OneAtATime.');
      expect((await planOf('host:api-1')).length).to.equal(1);
      expect((await planOf('tag:zone=a')).join()).to.match(/on 1 of 3 hosts[^,]*,[^,]*$/);
      expect(await planOf('tag:zone=a', 'tag:zone')).to.deep.equal([
        'Plan: 1.8.4 → 1.9.0 on 2 of 3 hosts, CodeDeployDefault.OneAtATime.',
        '  1 of 2 run it already.',
        '  1 host offline, and will fail: api-2',
      ]);
      expect((await planOf('tag:=b')).join()).to.match(/on 1 of 3 hosts[^,]*,[^,]*$/);
      expect((await planOf('failed-of:d-8K1M2N3P4')).join()).to.match(/on 2 of 3 hosts[^,]*,[^,]*$/);
      expect((await planOf('failed-of:d-8K1M2N3P4', 'tag:zone=a')).join()).to.match(/on 1 of 3 hosts[^,]*,[^,]*$/);
    });

    it('is what the question asks about', async () => {
      new FakeHerd(api);
      const { exit, stderr } = await cli.run(['deploy', 'web/prod', '1.9.0', '--only', 'host:api-1']);
      expect(exit).to.equal(64);
      expect(stderr).to.contain('Deploy 1.9.0 to 1 of 5 hosts in web/prod');
    });
  });

  describe('usage', () => {
    it('exits with 2 for an unknown command, flag or value, and says what was meant', async () => {
      const command = await cli.run(['deplyo', 'web/prod']);
      expect(command.exit).to.equal(2);
      expect(command.stderr).to.contain('Did you mean drover deploy?');
      const flag = await cli.run(['deploy', 'web/prod', '--detahc']);
      expect(flag.exit).to.equal(2);
      expect(flag.stderr).to.contain('Did you mean --detach?');
      const value = await cli.run(['deploy', 'web/prod', '--timeout', 'soon']);
      expect(value.exit).to.equal(2);
      expect(value.stderr).to.contain('90s, 30m');
      const noun = await cli.run(['hosts', 'shwo']);
      expect(noun.stderr).to.contain('Did you mean drover hosts show?');
      const group = await cli.run(['deploy', 'web']);
      expect(group.exit).to.equal(2);
      expect(group.stderr).to.contain('is not <app>/<group>');
      expect(api.requests).to.deep.equal([]);
    });

    it('helps without a coordinator: commands, one command, topics', async () => {
      const nobody = await CliProcess.create(undefined);
      try {
        const all = await nobody.run(['--help']);
        expect(all.exit).to.equal(0);
        for (const name of ['deploy', 'watch', 'rollback', 'doctor']) expect(all.stdout).to.contain(`\n  ${name} `);
        const one = await nobody.run(['groups', 'apply', '--help']);
        expect(one.stdout).to.contain('drover groups apply -f prod.yaml');
        for (const topic of ['exit-codes', 'json', 'colours', 'environment']) {
          const { exit, stdout } = await nobody.run(['help', topic]);
          expect(exit).to.equal(0);
          expect(stdout.length).to.be.greaterThan(200);
        }
        expect((await nobody.run(['help', 'exit-codes'])).stdout).to.match(/^6 +failed-rolled-back/m);
      } finally {
        await nobody.remove();
      }
    });
  });

  describe('questions', () => {
    it('are not asked: exit 64, and the flag is named', async () => {
      new FakeHerd(api);
      const { exit, stderr } = await cli.run(['deploy', 'web/prod']);
      expect(exit).to.equal(64);
      expect(stderr).to.contain('--yes');
      expect(stderr).to.contain('[exit 64 needs-answer]');
      expect(api.requested('POST', '/v1/deployments')).to.deep.equal([]);
    });

    it('are not asked by stop: it is the safe direction', async () => {
      const herd = new FakeHerd(api).start('api-1');
      api.on('POST /v1/deployments/:deployment/stop', () => {
        herd.succeed('api-1').end('Stopped', { stopRequestedBy: 'ana' });
        return { body: { stopStatus: 'Pending', deployment: herd.deployment } };
      });
      const { exit, stdout } = await cli.run(['stop', 'd-8K1M2N3P4', '--rollback', '--reason', 'wrong day']);
      expect(exit).to.equal(0);
      expect(stdout).to.contain('Stopped by ana');
      expect(api.requested('POST', '/v1/deployments/d-8K1M2N3P4/stop')[0]?.body).to.deep.equal({
        rollback: true,
        reason: 'wrong day',
      });
    });
  });

  describe('stop', () => {
    const ended = () =>
      problem('conflict', 'd-8K1M2N3P4 has ended already', { details: { reason: 'deployment_ended' } });

    it('is done when the deployment is stopped already: the answer to the first try may have been lost', async () => {
      const herd = new FakeHerd(api).start('api-1');
      herd.succeed('api-1').end('Stopped', { stopRequestedBy: 'ana' });
      api.on('POST /v1/deployments/:deployment/stop', ended);
      const { exit, stdout } = await cli.run(['stop', 'd-8K1M2N3P4']);
      expect(exit).to.equal(0);
      expect(stdout).to.contain('d-8K1M2N3P4 is stopped');
    });

    it('is refused when the deployment ended otherwise, and when nobody knows of the rollback that is asked for', async () => {
      const herd = new FakeHerd(api).start('api-1');
      api.on('POST /v1/deployments/:deployment/stop', ended);
      herd.end('Stopped', { stopRequestedBy: 'ana' });
      expect((await cli.run(['stop', 'd-8K1M2N3P4', '--rollback'])).stderr).to.contain('has ended already');
      herd.succeed('api-1').end('Succeeded');
      const { exit, stderr } = await cli.run(['stop', 'd-8K1M2N3P4']);
      expect(exit).to.not.equal(0);
      expect(stderr).to.contain('has ended already');
    });
  });

  describe('references', () => {
    it('finds a deployment by the beginning of its id, an address, stdin and last', async () => {
      new FakeHerd(api);
      const idOf = async (reference: string, stdin = '') =>
        (
          JSON.parse((await cli.run(['status', reference, '--json'], { stdin })).stdout) as {
            deployment?: { id: string };
          }
        ).deployment?.id;
      expect(await idOf('d-8k')).to.equal('d-8K1M2N3P4');
      expect(api.requests[0]?.query['idPrefix']).to.equal('d-8K');
      expect(await idOf('https://drover.example/deployments/d-8K1M2N3P4')).to.equal('d-8K1M2N3P4');
      expect(await idOf('-', 'd-8K1M2N3P4\n')).to.equal('d-8K1M2N3P4');
      await cli.run(['deploy', 'web/prod', '--yes', '--detach']);
      expect(await idOf('last')).to.equal('d-8K1M2N3P4');
    });

    it('says when the beginning is not unique, and when nothing begins so', async () => {
      api.on('GET /v1/deployments', page(aDeployment({ id: 'd-AAAAAAAA1' }), aDeployment({ id: 'd-AAAAAAAA2' })));
      const several = await cli.run(['why', 'd-A']);
      expect(several.exit).to.equal(2);
      expect(several.stderr).to.contain('d-AAAAAAAA1 (web/prod), d-AAAAAAAA2');
      api.on('GET /v1/deployments', page());
      expect((await cli.run(['why', 'd-A'])).exit).to.equal(10);
      expect((await cli.run(['why', 'last'])).stderr).to.contain('no last deployment');
    });

    it('reads a reason from a file', async () => {
      new FakeHerd(api);
      await writeFile(join(cli.home, 'why.txt'), 'the disk was full\n');
      await cli.run(['deploy', 'web/prod', '--yes', '--detach', '--reason', '@why.txt']);
      expect(api.requested('POST', '/v1/deployments')[0]?.body).to.include({ description: 'the disk was full' });
    });
  });

  describe('contexts', () => {
    it('are made by login, kept to their owner alone, and used without any environment', async () => {
      api.on('GET /v1/whoami', who);
      const nobody = await CliProcess.create(undefined);
      try {
        const before = await nobody.run(['status']);
        expect(before.exit).to.equal(11);
        expect(before.stderr).to.contain('drover login https://');
        const login = await nobody.run(['login', api.url, '--name', 'acme'], { stdin: 'drover_op_abc\n' });
        expect(login.exit).to.equal(0);
        expect(api.requests.at(-1)?.headers.authorization).to.equal('Bearer drover_op_abc');
        const path = join(nobody.home, '.config/drover/contexts.json');
        expect((await stat(path)).mode & 0o777).to.equal(0o600);
        expect(JSON.parse(await readFile(path, 'utf8'))).to.deep.equal({
          version: 1,
          current: 'acme',
          contexts: { acme: { url: api.url, token: 'drover_op_abc' } },
        });
        expect((await nobody.run(['whoami'])).stdout).to.contain('ana (deployer)');
        expect((await nobody.run(['context', 'ls'])).stdout).to.contain('acme');
        expect((await nobody.run(['context', 'show', '--json'])).stdout).not.to.contain('drover_op_abc');
        expect((await nobody.run(['whoami', '--context', 'nowhere'])).exit).to.equal(10);
        expect((await nobody.run(['logout'], { env: { DROVER_CONTEXT: '' } })).exit).to.equal(0);
        expect(await readFile(path, 'utf8')).not.to.contain('drover_op_abc');
      } finally {
        await nobody.remove();
      }
    });

    it('are one for each coordinator, also of several on one host', async () => {
      api.on('GET /v1/whoami', who);
      const second = await FakeApi.start();
      second.on('GET /v1/whoami', who);
      const nobody = await CliProcess.create(undefined);
      try {
        const login = (url: string, ...more: string[]) =>
          nobody.run(['login', url, ...more], { stdin: `token-of-${url}` });
        const kept = async () =>
          (
            JSON.parse(await readFile(join(nobody.home, '.config/drover/contexts.json'), 'utf8')) as {
              contexts: Record<string, { url: string; token?: string; caFile?: string }>;
            }
          ).contexts;
        await writeFile(join(nobody.home, 'ca.pem'), '');
        const one = { url: api.url, token: `token-of-${api.url}` };
        const two = { url: second.url, token: `token-of-${second.url}` };
        const hostAndPort = second.url.replace('http://', '');
        expect((await login(api.url)).exit).to.equal(0);
        expect((await login(second.url)).stdout).to.contain(`context ${hostAndPort} is in use`);
        expect(await kept()).to.deep.equal({ '127.0.0.1': one, [hostAndPort]: two });
        expect((await login(`${api.url}/`)).stdout).to.contain('context 127.0.0.1 is in use');

        const add = (...args: string[]) => nobody.run(['context', 'add', '127.0.0.1', ...args]);
        const refused = await add(second.url);
        expect(refused.exit).to.equal(3);
        expect(refused.stderr).to.contain(`for ${api.url}`).and.contain('--force');
        expect((await add(api.url, '--ca-file', 'ca.pem')).exit).to.equal(0);
        const withCa = { ...one, caFile: join(nobody.home, 'ca.pem') };
        expect((await kept())['127.0.0.1']).to.deep.equal({ ...withCa, token: `token-of-${api.url}/` });

        const moved = await login(second.url, '--name', '127.0.0.1');
        expect(moved.stderr).to.contain(`Context 127.0.0.1 was for ${api.url}`);
        expect((await kept())['127.0.0.1']).to.deep.equal(two);
        expect((await add(api.url, '--force')).exit).to.equal(0);
        expect((await kept())['127.0.0.1']).to.deep.equal({ url: api.url });
      } finally {
        await nobody.remove();
        await second.close();
      }
    });

    it('are made with a word of what in the environment goes before them', async () => {
      api.on('GET /v1/whoami', who);
      const login = (env: Record<string, string | undefined>) =>
        cli.run(['login', api.url], { stdin: 'drover_op_abc\n', env });
      expect((await login({})).stderr).to.contain('DROVER_URL and DROVER_TOKEN are set, and win over it.');
      const own = { DROVER_URL: undefined, DROVER_TOKEN: undefined };
      expect((await login({ ...own, DROVER_TOKEN: 'old' })).stderr).to.contain(
        'DROVER_TOKEN is set, and wins over it.',
      );
      expect((await login(own)).stderr).not.to.contain('over it');
    });

    it('are not made for what is no address, or without a token', async () => {
      const wrong = await cli.run(['login', 'drover.example'], { stdin: 'drover_op_abc\n' });
      expect(wrong.exit).to.equal(2);
      expect(wrong.stderr).to.contain('drover.example is not an address');
      const nothing = await cli.run(['login', api.url]);
      expect(nothing.exit).to.equal(64);
      expect(nothing.stderr).to.contain('--token-file');
      expect((await cli.run(['login', api.url, '--token-file', '-'])).exit).to.equal(2);
      expect(api.requests).to.deep.equal([]);
    });

    it('ask for a token only where a coordinator answers', async function () {
      if (!hasPseudoTerminal()) this.skip();
      const gone = await FakeApi.start();
      const { url } = gone;
      await gone.close();
      const away = await cli.startOnTerminal(['login', url]).finished;
      expect(away.exit).to.equal(12);
      expect(away.stdout).not.to.contain('Token for');
      api.on('GET /v1/whoami', ({ headers }) =>
        headers.authorization === undefined ? problem('unauthorized', 'no token') : { body: who },
      );
      const asked = cli.startOnTerminal(['login', api.url]);
      await asked.shows(/Token for http/);
      asked.key('drover_op_abc\r');
      expect((await asked.finished).exit).to.equal(0);
    });

    it('keep no token that the coordinator refuses', async () => {
      api.on('GET /v1/whoami', () => problem('unauthorized', 'the token is not known'));
      const { exit } = await cli.run(['login', api.url], { stdin: 'wrong' });
      expect(exit).to.equal(11);
      expect(await stat(join(cli.home, '.config/drover/contexts.json')).catch(() => 'absent')).to.equal('absent');
    });
  });

  describe('versions', () => {
    it('are shown of both sides, and one that is far away is told once a day', async () => {
      api.on('GET /v1/whoami', { ...who, coordinatorVersion: '0.9.2' });
      const first = await cli.run(['--version']);
      expect(first.exit).to.equal(0);
      expect(first.stdout).to.match(/drover +0\.1\.0 +protocol 1\.1\ncoordinator +0\.9\.2 +protocol 1\.0/);
      expect(first.stderr).to.contain('more than one minor version apart');
      expect((await cli.run(['--version'])).stderr).to.equal('');
    });
  });

  describe('doctor', () => {
    it('tells each finding, and the remedy of what is wrong', async () => {
      api.on('GET /v1/whoami', () => ({ body: { ...who, now: Date.now() - 65_000 } }));
      api.on('GET /readyz', {});
      const { exit, stdout } = await cli.run(['doctor']);
      expect(exit).to.equal(0);
      expect(stdout).to.match(/^fine +address/m);
      expect(stdout).to.match(/^fine +token +ana \(deployer\)/m);
      expect(stdout).to.match(/^fine +ready +it can write/m);
      expect(stdout).to.match(/^look +clock +this machine is 1 min .*ahead of the coordinator\n +Set both clocks/m);
      api.on('GET /v1/whoami', () => problem('unauthorized', 'the token is not known'));
      const refused = await cli.run(['doctor']);
      expect(refused.exit).to.equal(11);
      expect(refused.stdout).to.match(/^wrong +token +the token is not known\n +drover login/m);
    });

    it('says when the coordinator answers and cannot write', async () => {
      api.on('GET /v1/whoami', who);
      api.on('GET /readyz', () => problem('unavailable', 'not ready: database or disk is full'));
      const full = await cli.run(['doctor']);
      expect(full.exit).to.equal(12);
      expect(full.stdout).to.match(
        /^wrong +ready +not ready: database or disk is full\n +It answers and changes nothing/m,
      );
      api.on('GET /readyz', () => problem('not_found', 'there is no GET /readyz'));
      const hidden = await cli.run(['doctor']);
      expect(hidden.exit).to.equal(0);
      expect(hidden.stdout).to.match(/^look +ready .*\n +Does a proxy/m);
    });

    it('says when nothing answers, and when the other side speaks no TLS', async () => {
      const gone = await FakeApi.start();
      const { url } = gone;
      await gone.close();
      const closed = await cli.run(['doctor'], { env: { DROVER_URL: url } });
      expect(closed.exit).to.equal(12);
      expect(closed.stdout).to.contain('connection refused');
      const tls = await cli.run(['doctor'], { env: { DROVER_URL: api.url.replace('http:', 'https:') } });
      expect(tls.exit).to.equal(12);
      expect(tls.stdout).to.match(/^wrong +(tls|reach)/m);
    });
  });

  describe('completion', () => {
    it('offers commands, flags, live names and fixed values', async () => {
      api.on('GET /v1/applications', page({ name: 'web', description: '', createdAt: 0 }));
      api.on('GET /v1/applications/:application/deployment-groups', page(aGroup()));
      api.on('GET /v1/applications/:application/revisions', page(aRevision()));
      api.on('GET /v1/deployments', page(aDeployment()));
      const values = async (...words: string[]) =>
        (await cli.run(['__complete', ...words])).stdout
          .split('\n')
          .map((line) => line.split('\t')[0])
          .filter((value) => value !== '');
      expect(await values('dep')).to.deep.equal(['deploy']);
      expect(await values('hosts', '')).to.include.members(['ls', 'enrol-token', 'tag', 'forget']);
      expect(await values('deploy', 'web/')).to.deep.equal(['web/prod']);
      expect(await values('deploy', 'web/prod', '')).to.deep.equal(['latest', '1.9.0']);
      expect(await values('deploy', 'web/prod', '--rea')).to.deep.equal(['--reason']);
      expect(await values('deploy', '--file-exists-behavior', 'O')).to.deep.equal(['OVERWRITE']);
      expect(await values('why', 'd-')).to.deep.equal(['d-8K1M2N3P4']);
      for (const shell of ['bash', 'zsh', 'fish'])
        expect((await cli.run(['completion', shell])).stdout).to.contain('drover __complete');
    });

    it('keeps a description of several lines from being several candidates', async () => {
      const description = 'fix\n$(touch owned)\nand \u001b[2Jmore';
      api.on('GET /v1/applications/:application/revisions', page(aRevision({ description })));
      const { stdout } = await cli.run(['__complete', 'deploy', 'web/prod', '1']);
      expect(stdout).to.equal('1.9.0\tfix $(touch owned) and more\n');
    });

    it('offers nothing rather than keep somebody waiting', async () => {
      const mute = createServer(() => {});
      await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve));
      try {
        const { port } = mute.address() as { port: number };
        const { exit, stdout } = await cli.run(['__complete', 'why', ''], {
          env: { DROVER_URL: `http://127.0.0.1:${port}` },
        });
        expect({ exit, stdout }).to.deep.equal({ exit: 0, stdout: '' });
      } finally {
        mute.close();
      }
    });

    it('works in bash', async function () {
      api.on('GET /v1/deployments', page(aDeployment()));
      const { spawnSync } = await import('node:child_process');
      if (spawnSync('bash', ['-c', 'true']).status !== 0) this.skip();
      const { stdout: script } = await cli.run(['completion', 'bash']);
      await mkdir(join(cli.home, 'bin'));
      await writeFile(join(cli.home, 'bin/drover'), `#!/bin/sh\nprintf 'd-8K1M2N3P4\\tweb/prod 1.9.0\\n'\n`, {
        mode: 0o755,
      });
      const result = spawnSync(
        'bash',
        ['-c', `${script}\nCOMP_WORDS=(drover why d-); COMP_CWORD=2; _drover; printf '%s\\n' "\${COMPREPLY[@]}"`],
        { env: { PATH: `${join(cli.home, 'bin')}:${process.env['PATH']}` }, encoding: 'utf8' },
      );
      expect(result.stdout).to.equal('d-8K1M2N3P4\n');
    });
  });

  describe('an output that cannot be written', () => {
    const told = 'error: cannot write the output: ENOSPC';

    it('is an error, also with --json and of a secret that is shown once', async function () {
      if (!existsSync('/dev/full')) this.skip();
      api.on('GET /v1/deployments', page(aDeployment()));
      api.on('GET /v1/applications/:application/deployment-groups/:group', aGroup());
      api.on('POST /v1/join-tokens', { id: 'j-1', secret: 'drover_join_abc', tags: {}, maxUses: 1, expiresAt: T0 });
      for (const args of ['history', 'history --json', 'groups export web/prod', 'hosts enrol-token', 'help']) {
        const { exit, stderr } = await cli.runByShell(`$DROVER ${args} > /dev/full`);
        expect(exit, args).to.equal(1);
        expect(stderr, args).to.contain(told).and.contain('[exit 1 unexpected]');
      }
    });

    it('is one, too, where the disk takes a part of it', async () => {
      api.on('GET /v1/hosts', page(...Array.from({ length: 500 }, (_, index) => aHost(`web-${index}`))));
      const { exit, stderr } = await cli.runByShell('ulimit -f 16; $DROVER hosts ls > out');
      expect(exit, stderr).to.equal(1);
      expect(stderr).to.contain('error: cannot write the output: EFBIG');
    });

    it('is whole where it can be', async () => {
      api.on('GET /v1/hosts', page(aHost('web-1')));
      expect((await cli.runByShell('$DROVER hosts ls -q > out')).exit).to.equal(0);
      expect(await readFile(join(cli.home, 'out'), 'utf8')).to.equal('web-1\n');
    });
  });

  it('ends quietly when its reader has seen enough', async function () {
    api.on('GET /v1/hosts', page(...Array.from({ length: 5_000 }, (_, index) => aHost(`web-${index}`))));
    const { spawnSync } = await import('node:child_process');
    if (spawnSync('bash', ['-c', 'true']).status !== 0) this.skip();
    const child = cli.start(['hosts', 'ls']);
    child.process.stdout?.destroy();
    const { exit, stderr } = await child.finished;
    expect({ exit, stderr }).to.deep.equal({ exit: 0, stderr: '' });
  });
});

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, chown, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { startCoordinator } from '../../coordinator/coordinator.ts';
import { isAppError } from '../../shared/core/errors.ts';
import { silentLogger } from '../../shared/core/logger.ts';
import { systemClock } from '../../shared/core/system-clock.ts';
import { systemRandomness } from '../../shared/core/system-randomness.ts';
import { makeCertificate } from '../support/certificates.ts';
import { testConfig } from '../support/coordinator.ts';

const NOBODY = 65_534;

interface Run {
  child: ChildProcess;
  /** Resolves with the address once it listens. */
  url: Promise<string>;
  /** Resolves once it has printed this. */
  printed(text: string): Promise<void>;
  /** Exit code (or signal) and all it printed. */
  ended: Promise<{ code: number | NodeJS.Signals; output: string }>;
}

describe('the coordinator as a process', function () {
  // Compiled at every start: on a busy machine some seconds each.
  this.timeout(60_000);
  let directory: string;
  const children: ChildProcess[] = [];
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'drover-process-'));
  });
  afterEach(async () => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
    await rm(directory, { recursive: true, force: true });
  });

  function run(args: string[], environment: Record<string, string> = {}): Run {
    const child = spawn(process.execPath, ['--import=tsx', 'coordinator/main.ts', ...args], {
      env: { PATH: process.env['PATH'] ?? '', ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    children.push(child);
    let output = '';
    const waiting = new Set<() => void>();
    const hear = (chunk: Buffer) => {
      output += chunk.toString('utf8');
      for (const look of waiting) look();
    };
    child.stdout?.on('data', hear);
    child.stderr?.on('data', hear);
    const found = <Found>(find: () => Found | undefined) =>
      new Promise<Found>((resolve) => {
        const look = () => {
          const value = find();
          if (value === undefined) return;
          waiting.delete(look);
          resolve(value);
        };
        waiting.add(look);
        look();
      });
    const url = found(() => /"url":"([^"]+)"/.exec(output)?.[1]);
    const printed = async (text: string) => {
      await found(() => (output.includes(text) ? text : undefined));
    };
    const ended = once(child, 'close').then(([code, signal]) => ({ code: code ?? signal, output }));
    return { child, url, printed, ended };
  }
  /** It is there once the coordinator listens. */
  const firstToken = async (listening: Promise<string>) => {
    await listening;
    return (await readFile(join(directory, 'first-operator-token'), 'utf8')).trim();
  };
  const start = () => run(['--data-directory', directory, '--port', '0']);
  const startedOnce = async () => {
    const { url, child, ended } = start();
    await url;
    child.kill('SIGTERM');
    await ended;
  };

  it("listens, and writes the first operator's token where only its owner reads it", async () => {
    const { url } = start();
    const token = await firstToken(url);
    expect((await stat(join(directory, 'first-operator-token'))).mode & 0o777).to.equal(0o600);
    const answer = await fetch(`${await url}/v1/whoami`, { headers: { authorization: `Bearer ${token}` } });
    expect(await answer.json()).to.include({ name: 'first-operator', role: 'admin' });
  });

  it('lets nobody else read its files, also in a directory that others may enter', async () => {
    await chmod(directory, 0o755);
    const { url } = start();
    await url;
    for (const name of await readdir(directory)) {
      const { mode } = await stat(join(directory, name));
      expect((mode & 0o077).toString(8), name).to.equal('0');
    }
  });

  it('never prints a secret', async () => {
    const { url, child, ended } = start();
    const token = await firstToken(url);
    child.kill('SIGTERM');
    expect((await ended).output).not.to.contain(token);
  });

  it('stops in good order on SIGTERM, with exit code 0', async () => {
    const { url, child, ended } = start();
    await url;
    child.kill('SIGTERM');
    expect(await ended).to.include({ code: 0 });
  });

  it('stops in good order beside one who offered another protocol and never hangs up', async () => {
    const { url, child, ended } = start();
    const { hostname, port } = new URL(await url);
    const client = connect({ host: hostname, port: Number(port), allowHalfOpen: true });
    client.write('GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n');
    await once(client, 'data');
    child.kill('SIGTERM');
    const { code, output } = await ended;
    client.destroy();
    expect(code).to.equal(0);
    expect(output).to.contain('"stopped"');
  });

  it('reads its certificate anew on SIGHUP, and says why it did not', async function () {
    const certificate = makeCertificate(directory, { from: new Date(), to: new Date(Date.now() + 86_400_000) });
    // Without openssl there is none.
    if (certificate === null) return this.skip();
    const { certFile, keyFile } = certificate;
    const coordinator = run([
      '--data-directory',
      directory,
      '--port',
      '0',
      '--tls-cert',
      certFile,
      '--tls-key',
      keyFile,
    ]);
    await coordinator.url;
    coordinator.child.kill('SIGHUP');
    await coordinator.printed('the certificate was read anew');
    await writeFile(certFile, 'not a certificate');
    coordinator.child.kill('SIGHUP');
    await coordinator.printed('are no certificate and its key');
    coordinator.child.kill('SIGTERM');
    expect(await coordinator.ended).to.include({ code: 0 });
  });

  it('leaves at once on a second signal', async () => {
    const { url, child, ended } = start();
    // A feed that is never read keeps nothing from ending; two signals in a row end it either way.
    await url;
    child.kill('SIGINT');
    child.kill('SIGTERM');
    expect((await ended).code).to.be.oneOf([0, 1]);
  });

  it('refuses a data directory that another one has, by name', async () => {
    const first = start();
    await first.url;
    const second = await start().ended;
    expect(second.code).to.equal(1);
    expect(second.output).to.contain(`process id ${first.child.pid}`).and.to.contain(directory);
  });

  it('takes the directory over from one that was killed', async () => {
    const first = start();
    const token = await firstToken(first.url);
    first.child.kill('SIGKILL');
    await first.ended;

    const answer = await fetch(`${await start().url}/v1/whoami`, { headers: { authorization: `Bearer ${token}` } });
    expect(answer.status).to.equal(200);
  });

  it('names a database that is none, and files that it cannot write, with exit code 1 and without a stack', async () => {
    await writeFile(join(directory, 'drover.db'), 'no database'.repeat(1_000));
    const noDatabase = await start().ended;
    expect(noDatabase.code).to.equal(1);
    expect(noDatabase.output).to.contain(`${join(directory, 'drover.db')}: file is not a database`);
    expect(noDatabase.output).not.to.match(/^ +at /m);
    const offline = await run(['token', 'create', '--name', 'ana', '--data-directory', directory]).ended;
    expect(offline.output).to.contain(`${join(directory, 'drover.db')}: file is not a database`);

    await rm(join(directory, 'lock.json'));
    await mkdir(join(directory, 'lock.json'));
    const notWritable = await start().ended;
    expect(notWritable.code).to.equal(1);
    expect(notWritable.output).to.contain(`cannot write ${join(directory, 'lock.json')}: `);
    expect(notWritable.output).not.to.match(/^ +at /m);
  });

  it('ends with 1, to be started again, when its address is not there yet', async () => {
    // Of the addresses for documentation, which no machine has.
    const address = ['--host', '192.0.2.1', '--port', '0', '--insecure-public-address'];
    const { code, output } = await run(['--data-directory', directory, ...address]).ended;
    expect(output).to.contain('cannot listen on 192.0.2.1:0: ');
    expect(code).to.equal(1);
  });

  it('refuses a public address without TLS, with exit code 2', async () => {
    const { code, output } = await run(['--data-directory', directory, '--host', '0.0.0.0', '--port', '0']).ended;
    expect(code).to.equal(2);
    expect(output).to.contain('insecurePublicAddress');
  });

  it('refuses a wrong key, a wrong variable, a wrong flag and a missing file, with exit code 2', async () => {
    const contents: Record<string, string> = {
      'wrong-key.yaml': 'listen:\n  prot: 1\n',
      'no-yaml.yaml': 'listen: [\n',
      'no-cron.yaml': `dataDirectory: ${directory}\nretention:\n  schedule: every full moon\n`,
    };
    for (const [name, content] of Object.entries(contents)) await writeFile(join(directory, name), content);
    const fileNamed = (name: string) => ['--config', join(directory, name), '--port', '0'];
    const [wrongKey, ...others] = await Promise.all(
      [
        run(fileNamed('wrong-key.yaml')),
        run(fileNamed('no-yaml.yaml')),
        run(fileNamed('no-cron.yaml')),
        run(fileNamed('none.yaml')),
        run([], { DROVER_COORDINATOR_PORT: '1' }),
        run(['--prot', '1']),
      ].map(({ ended }) => ended),
    );
    expect(wrongKey?.code).to.equal(2);
    expect(wrongKey?.output).to.contain('listen.prot is no setting').and.to.contain('Did you mean port?');
    for (const { code, output } of others) expect(code, output).to.equal(2);
    expect(await readdir(directory)).to.have.members(Object.keys(contents));
  });

  const createToken = (...args: string[]) =>
    run(['token', 'create', '--name', 'ana', '--data-directory', directory, ...args]).ended;

  it('makes a token beside a coordinator that does not run', async () => {
    await startedOnce();
    const created = await createToken('--role', 'deployer');
    expect(created.code).to.equal(0);
    const { url } = start();
    const answer = await fetch(`${await url}/v1/whoami`, {
      headers: { authorization: `Bearer ${created.output.trim()}` },
    });
    expect(await answer.json()).to.include({ name: 'ana', role: 'deployer' });
  });

  it('makes none where no coordinator has been: the data directory is another one', async () => {
    const { code, output } = await createToken();
    expect(code).to.equal(2);
    expect(output).to.contain(`there is no database in ${directory}`).and.contain('--data-directory');
    expect(await readdir(directory)).to.deep.equal([]);
  });

  it('makes it as the user whose directory it is, also in a backup without its locks', async function () {
    if (process.geteuid?.() !== 0) return this.skip();
    await startedOnce();
    for (const name of ['lock.db', 'lock.json']) await rm(join(directory, name), { force: true });
    for (const name of ['.', ...(await readdir(directory))]) await chown(join(directory, name), NOBODY, NOBODY);
    expect((await createToken()).code).to.equal(0);
    const names = await readdir(directory);
    expect(names).to.include.members(['drover.db', 'lock.db']);
    for (const name of names) expect((await stat(join(directory, name))).uid, name).to.equal(NOBODY);
  });

  it('tells what it is and how it is called', async () => {
    expect((await run(['--version']).ended).output).to.match(/^\d+\.\d+\.\d+\n$/);
    const help = await run(['--help']).ended;
    expect(help.code).to.equal(0);
    expect(help.output).to.contain('Exit codes');
  });
});

describe('two coordinators in one process', () => {
  it('do not share a data directory', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'drover-two-'));
    const begin = () =>
      startCoordinator({
        config: testConfig(directory),
        clock: systemClock,
        randomness: systemRandomness,
        logger: silentLogger,
        fatal: (error) => {
          throw error;
        },
      });
    const first = await begin();
    const error = await begin().catch((thrown: unknown) => thrown);
    expect(isAppError(error, 'conflict')).to.equal(true);
    await first.stop();
    const afterwards = await begin();
    await afterwards.stop();
    await rm(directory, { recursive: true, force: true });
  });
});

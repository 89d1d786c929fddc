import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { hookEnvironment } from '../../agent/hooks/environment.ts';
import { KILL_AFTER_MS, type PreviousRun, runScript, type ScriptResult } from '../../agent/hooks/hook-runner.ts';
import { createSecrets, noSecrets, type Secrets } from '../../agent/hooks/secrets.ts';
import { createAccounts } from '../../agent/host/accounts.ts';
import type { Disk } from '../../agent/host/disk.ts';
import { claimPathOf } from '../../agent/host/hook-wrapper.ts';
import { createNodeDisk } from '../../agent/host/node-disk.ts';
import { createNodeProcessRunner } from '../../agent/host/node-process-runner.ts';
import { ownAccount } from '../../agent/host/own-account.ts';
import type { ProcessHandle, StartRequest } from '../../agent/host/process-runner.ts';
import { SYSTEMD_BOOTED } from '../../agent/host/resource-limits.ts';
import type { HookScript } from '../../shared/appspec/appspec.ts';
import { silentLogger } from '../../shared/core/logger.ts';
import { systemClock } from '../../shared/core/system-clock.ts';
import { anAssignment } from '../support/agent-process.ts';
import { until } from '../support/real-herd.ts';

const MIB = 1_024 * 1_024;

describe('running a hook', function () {
  this.timeout(60_000);
  let root: string;
  const disk = createNodeDisk();
  const aRunner = () =>
    createNodeProcessRunner({ clock: systemClock, toolEnvironment: { PATH: process.env['PATH'] ?? '' } });
  const assignment = anAssignment({ digest: 'a'.repeat(64), bytes: new Uint8Array(), bundleType: 'tgz' });

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'drover-hook-'));
    chmodSync(root, 0o755);
    mkdirSync(join(root, 'archive', 'scripts'), { recursive: true });
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  const outputPath = () => join(root, 'event.log');
  const output = () => readFileSync(outputPath(), 'utf8');
  const file = (name: string) => join(root, name);

  function script(
    location: string,
    content: string | null,
    changes: Partial<HookScript> = {},
    mode = 0o755,
  ): HookScript {
    if (content !== null) writeFileSync(join(root, 'archive', location), content, { mode });
    return {
      location,
      timeoutSeconds: 20,
      runas: null,
      sudo: false,
      args: [],
      env: {},
      limits: null,
      line: 1,
      ...changes,
    };
  }

  interface Options {
    runner?: ReturnType<typeof aRunner>;
    previous?: PreviousRun;
    signal?: AbortSignal;
    maxOutputBytes?: number;
    secrets?: Secrets;
    disk?: Disk;
    uid?: number;
    inTransientUnit?: boolean;
    onStarting?: (start: PreviousRun) => void;
  }
  function run(hook: HookScript, options: Options = {}): Promise<ScriptResult> {
    const processes = options.runner ?? aRunner();
    return runScript(
      {
        disk: options.disk ?? disk,
        processes,
        accounts: createAccounts({ disk, run: processes.run }),
        clock: systemClock,
        logger: silentLogger,
        ownAccount: { ...ownAccount(), ...(options.uid === undefined ? {} : { uid: options.uid }) },
        maxOutputBytes: options.maxOutputBytes ?? 64 * MIB,
        secrets: options.secrets ?? noSecrets,
      },
      {
        script: hook,
        inTransientUnit: options.inTransientUnit ?? false,
        archiveRoot: join(root, 'archive'),
        outputPath: outputPath(),
        environmentOf: (user) =>
          hookEnvironment({ assignment, event: 'AfterInstall', hostVariables: {}, scriptVariables: hook.env, user }),
        previous: options.previous ?? null,
        statusPathOf: (attempt) => file(`status-${attempt}`),
        signal: options.signal ?? new AbortController().signal,
        starting: async ({ attempt, deadlineAt, bootId }) =>
          options.onStarting?.({ attempt, deadlineAt, bootId, isTimedOut: false, ended: null }),
        started: () => {},
        timedOut: async () => {},
        ended: () => {},
      },
    );
  }
  const diagnosticsOf = (result: ScriptResult) => (result.kind === 'failed' ? result.diagnostics : null);

  /** The process id that a script wrote, once it has. */
  async function pidIn(name: string): Promise<number> {
    for (;;) {
      if (existsSync(file(name)) && readFileSync(file(name), 'utf8').endsWith('\n'))
        return Number(readFileSync(file(name), 'utf8'));
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
  function isAlive(pid: number): boolean {
    try {
      return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
    } catch {
      // Gone before, or while it was read.
      return false;
    }
  }
  async function gone(pid: number): Promise<void> {
    while (isAlive(pid)) await new Promise((resolve) => setTimeout(resolve, 5));
  }

  it('gives the script its arguments, its own environment only, no input, and the bundle as working directory', async () => {
    const hook = script('scripts/a.sh', '#!/bin/sh\npwd\nprintf "[%s]" "$@"\necho\nenv | sort\ncat\n', {
      args: ['one two', '$HOME', ''],
      env: { status: 'mine', PORT: '80' },
    });
    process.env['DROVER_TEST_SECRET'] = 'secret';
    expect(await run(hook)).to.deep.equal({ kind: 'succeeded' });
    delete process.env['DROVER_TEST_SECRET'];
    const lines = output().split('\n');
    expect(lines.slice(0, 2)).to.deep.equal([join(root, 'archive'), '[one two][$HOME][]']);
    expect(lines).to.include.members([
      'LIFECYCLE_EVENT=AfterInstall',
      `DEPLOYMENT_ID=${assignment.deploymentId}`,
      'APPLICATION_NAME=web',
      'DEPLOYMENT_GROUP_NAME=prod',
      'DEPLOYMENT_GROUP_ID=group-1',
      `DROVER_REVISION=${assignment.revision.label}`,
      'status=mine',
      'PORT=80',
    ]);
    expect(output()).to.not.match(/secret|__drover/);
  });

  it('118. says when the script is missing, or is a directory', async () => {
    for (const location of ['scripts/none.sh', 'scripts'])
      expect(diagnosticsOf(await run(script(location, null)))).to.include({
        errorCode: 'ScriptMissing',
        scriptName: location,
      });
  });

  it('118. makes a script executable that is not, with a warning in its output', async () => {
    expect(await run(script('a.sh', '#!/bin/sh\necho ran\n', {}, 0o644))).to.deep.equal({ kind: 'succeeded' });
    expect(output()).to.equal('[drover] a.sh was not executable; it is now (chmod +x)\nran\n');
    expect(statSync(join(root, 'archive', 'a.sh')).mode & 0o777).to.equal(0o755);
  });

  it('118. says ScriptNotExecutable when the bits cannot be set', async () => {
    const hook = script('a.sh', '#!/bin/sh\n', {}, 0o644);
    const refusing = { ...disk, setMode: () => Promise.reject(new Error('EROFS: read-only file system')) };
    const result = await runScript(
      {
        disk: refusing,
        processes: aRunner(),
        accounts: createAccounts({ disk, run: aRunner().run }),
        clock: systemClock,
        logger: silentLogger,
        ownAccount: ownAccount(),
        maxOutputBytes: MIB,
        secrets: noSecrets,
      },
      {
        script: hook,
        inTransientUnit: false,
        archiveRoot: join(root, 'archive'),
        outputPath: outputPath(),
        environmentOf: () => ({}),
        previous: null,
        statusPathOf: () => file('status'),
        signal: new AbortController().signal,
        starting: async () => {},
        started: () => {},
        timedOut: async () => {},
        ended: () => {},
      },
    );
    expect(diagnosticsOf(result)).to.include({ errorCode: 'ScriptNotExecutable' });
  });

  it('128. runs scripts without a shebang, with a space in the name, and behind a link', async () => {
    const { symlinkSync } = await import('node:fs');
    expect(await run(script('my script', 'echo plain\n'))).to.deep.equal({ kind: 'succeeded' });
    symlinkSync('my script', join(root, 'archive', 'link'));
    rmSync(file('status-1'));
    rmSync(claimPathOf(file('status-1')));
    expect(await run(script('link', null))).to.deep.equal({ kind: 'succeeded' });
    expect(output()).to.equal('plain\nplain\n');
  });

  it('121. tells an exit code with the last lines, and a signal by its name', async () => {
    expect(diagnosticsOf(await run(script('a.sh', '#!/bin/sh\necho last words >&2\nexit 42\n')))).to.include({
      errorCode: 'ScriptFailed',
      exitCode: 42,
      logTail: 'last words\n',
    });
    rmSync(file('status-1'));
    rmSync(claimPathOf(file('status-1')));
    const killed = diagnosticsOf(await run(script('b.sh', '#!/bin/sh\nkill -SEGV $$\n')));
    expect(killed).to.include({ errorCode: 'ScriptFailed', signal: 'SIGSEGV' });
    expect(killed).to.not.have.property('exitCode');
  });

  it('says unknown, and not how the script ended, when its wrapper is killed with it', async () => {
    const hook = script('a.sh', `#!/bin/sh\necho begun\nkill -KILL 0\n`);
    const result = diagnosticsOf(await run(hook));
    expect(result).to.include({ errorCode: 'UnknownError', logTail: 'begun\n' });
    expect(result?.message).to.contain('the outcome is unknown');
  });

  it('survives a TERM that the script sends to its whole group', async () => {
    const result = diagnosticsOf(await run(script('a.sh', '#!/bin/sh\nkill -TERM 0\nsleep 5\n')));
    expect(result).to.include({ errorCode: 'ScriptFailed', signal: 'SIGTERM' });
  });

  it('120. ends with its script when that leaves a child behind that holds the output', async () => {
    const hook = script('a.sh', `#!/bin/sh\nsleep 60 &\necho $! > ${file('child')}\necho started\n`);
    expect(await run(hook)).to.deep.equal({ kind: 'succeeded' });
    const child = await pidIn('child');
    expect(isAlive(child)).to.equal(true);
    process.kill(child, 'SIGKILL');
  });

  it('119. 129. stops the whole group when the time is over, also when it ignores TERM', async () => {
    const hook = script(
      'a.sh',
      `#!/bin/sh\ntrap '' TERM\nsleep 60 &\necho $! > ${file('child')}\necho $$ > ${file('main')}\nwhile :; do sleep 0.1; done\n`,
      { timeoutSeconds: 1 },
    );
    const before = Date.now();
    const result = diagnosticsOf(await run(hook));
    expect(result).to.include({ errorCode: 'ScriptTimedOut' });
    expect(result?.message).to.equal('Script at specified location: a.sh failed to complete in 1 seconds');
    expect(Date.now() - before).to.be.at.least(1_000 + KILL_AFTER_MS);
    await gone(await pidIn('main'));
    await gone(await pidIn('child'));
  });

  it('tells a timeout as that, also when what is left of the group is not for this agent to end', async function () {
    if (process.geteuid?.() !== 0) return this.skip();
    const inner = aRunner();
    // An agent that is not root, and a script that has started a daemon by sudo.
    const runner: typeof inner = {
      ...inner,
      async signalGroup(handle, signal) {
        process.seteuid?.(65_534);
        try {
          await inner.signalGroup(handle, signal);
        } finally {
          process.seteuid?.(0);
        }
      },
    };
    const daemon = `setpriv --reuid=daemon --regid=daemon --clear-groups sleep 60 &\necho $! > ${file('child')}`;
    const hook = script('a.sh', `#!/bin/sh\n${daemon}\necho begun\nexec sleep 60\n`, { timeoutSeconds: 1 });
    expect(diagnosticsOf(await run(hook, { runner }))).to.include({
      errorCode: 'ScriptTimedOut',
      message: 'Script at specified location: a.sh failed to complete in 1 seconds',
    });
    const child = await pidIn('child');
    expect(isAlive(child)).to.equal(true);
    process.kill(child, 'SIGKILL');
  });

  it('gives a script that heeds TERM the time to clean up', async () => {
    const hook = script('a.sh', "#!/bin/sh\ntrap 'echo cleaned up; exit 1' TERM\nwhile :; do sleep 0.05; done\n", {
      timeoutSeconds: 1,
    });
    expect(diagnosticsOf(await run(hook))).to.deep.include({ errorCode: 'ScriptTimedOut' });
    expect(output()).to.contain('cleaned up');
  });

  it('bounds the output of a script that prints 100 MB, keeps its beginning and its end, and lets it succeed', async () => {
    const hook = script(
      'a.sh',
      '#!/bin/sh\necho the beginning\nhead -c 104857600 /dev/zero | tr "\\0" x\necho\necho the end\n',
    );
    expect(await run(hook, { maxOutputBytes: 4 * MIB })).to.deep.equal({ kind: 'succeeded' });
    const text = output();
    expect(text.length).to.be.within(4 * MIB, 4 * MIB + 66 * 1_024);
    expect(text.startsWith('the beginning\n')).to.equal(true);
    expect(text.endsWith('the end\n')).to.equal(true);
    expect(text).to.contain('[drover] output of more than 4194304 bytes');
  });

  it('lets a script succeed whose output could not be cut', async () => {
    const hook = script('scripts/much.sh', '#!/bin/sh\nhead -c 1000000 /dev/zero\n');
    const refusing: Disk = { ...disk, cut: () => Promise.reject(new Error('ENOSPC: no space left on device')) };
    expect(await run(hook, { disk: refusing, maxOutputBytes: 1_024 })).to.deep.equal({ kind: 'succeeded' });
  });

  it('may have as many files open as the agent could before Node took all that it may', async () => {
    const hook = script('a.sh', '#!/bin/sh\nulimit -Sn\nulimit -Hn\n');
    expect(await run(hook)).to.deep.equal({ kind: 'succeeded' });
    // Node's own: both are the same.
    const [soft = '', hard = ''] = output().split('\n');
    expect(soft).to.equal(hard);
    rmSync(outputPath());
    rmSync(file('status-1'));
    rmSync(file('status-1.started'));
    const runner = createNodeProcessRunner({ clock: systemClock, toolEnvironment: {}, openFiles: '256' });
    expect(await run(hook, { runner })).to.deep.equal({ kind: 'succeeded' });
    expect(output()).to.equal(`256\n${hard}\n`);
  });

  it('runs also where that number is refused', async () => {
    const runner = createNodeProcessRunner({ clock: systemClock, toolEnvironment: {}, openFiles: '99999999999' });
    const hook = script('a.sh', '#!/bin/sh\necho it runs\n');
    expect(await run(hook, { runner })).to.deep.equal({ kind: 'succeeded' });
    expect(output()).to.equal('it runs\n');
  });

  describe('with limits', () => {
    const limits = { memoryMaxBytes: 1_048_576, cpuPercent: 50, maxTasks: null };
    const underSystemd: Disk = {
      ...disk,
      status: (path) => disk.status(path === SYSTEMD_BOOTED ? '/' : path),
    };
    function fakeSystemdRun() {
      const program = file('systemd-run');
      const run = `echo "$@" >> ${file('scopes')}\nwhile [ "$1" != -- ]; do shift; done\nshift\nexec "$@"`;
      writeFileSync(program, `#!/bin/sh\n${run}\n`, { mode: 0o755 });
      return createNodeProcessRunner({ clock: systemClock, toolEnvironment: {}, systemdRun: program });
    }

    it('runs in a transient scope, and is otherwise a script like any other', async () => {
      const hook = script('a.sh', '#!/bin/sh\necho "$1"\nexit 5\n', { limits, args: ['one two'] });
      const options = { runner: fakeSystemdRun(), disk: underSystemd, uid: 0 };
      expect(diagnosticsOf(await run(hook, options))).to.include({ exitCode: 5, logTail: 'one two\n' });
      expect(readFileSync(file('scopes'), 'utf8')).to.match(
        /^--scope --quiet --collect --description=Drover hook --property=MemoryMax=1048576 --property=CPUQuota=50% -- .*a\.sh one two\n$/,
      );
    });

    it('is found again by the next agent, and stopped when its time is over', async () => {
      const hook = script('a.sh', `#!/bin/sh\necho $$ > ${file('pid')}\nsleep 60\n`, { limits, timeoutSeconds: 2 });
      const [options, stop] = [{ runner: fakeSystemdRun(), disk: underSystemd, uid: 0 }, new AbortController()];
      let previous: PreviousRun | undefined;
      const onStarting = (start: PreviousRun) => {
        previous = start;
      };
      const first = run(hook, { ...options, onStarting, signal: stop.signal });
      const pid = await pidIn('pid');
      stop.abort();
      expect(await first).to.deep.equal({ kind: 'interrupted' });
      const next = await run(hook, { ...options, runner: fakeSystemdRun(), ...(previous && { previous }) });
      expect(diagnosticsOf(next)?.errorCode).to.equal('ScriptTimedOut');
      await gone(pid);
    });

    it('runs in one, too, when its group asks for it, and does not run without', async () => {
      const hook = script('a.sh', '#!/bin/sh\nexit 0\n');
      const options = { runner: fakeSystemdRun(), disk: underSystemd, inTransientUnit: true };
      expect(await run(hook, { ...options, uid: 0 })).to.deep.equal({ kind: 'succeeded' });
      expect(readFileSync(file('scopes'), 'utf8')).to.match(
        /^--scope --quiet --collect --description=Drover hook -- .*a\.sh\n$/,
      );
      expect(diagnosticsOf(await run(hook, { ...options, uid: 1_000 }))?.message).to.contain(
        'the transient unit that the deployment group asks for can be had of an agent that runs as root only',
      );
    });

    it('does not run without them', async () => {
      const hook = script('a.sh', '#!/bin/sh\n', { limits });
      const bare: Disk = { ...disk, status: async (path) => (path === SYSTEMD_BOOTED ? null : disk.status(path)) };
      expect(diagnosticsOf(await run(hook, { disk: bare, uid: 0 }))?.message).to.contain(
        'limits: systemd must be the init of this host',
      );
      expect(diagnosticsOf(await run(hook, { disk: underSystemd, uid: 1_000 }))?.message).to.contain('runs as root');
    });
  });

  it('masks secrets in the stored output and in the last lines, those of the script’s own variables too', async () => {
    const path = file('secrets.env');
    writeFileSync(path, '# of the database\nDB_PASSWORD="hunter2hunter2"\nDEBUG=1\n');
    const secrets = createSecrets({ disk, logger: silentLogger }, { files: [path], variables: ['TOKEN'] });
    const text = `#!/bin/sh\necho "a hunter2hunter2 b $TOKEN c"\nprintf hunter2hun; sleep 0.05; printf ter2\nexit 1\n`;
    const result = diagnosticsOf(await run(script('a.sh', text, { env: { TOKEN: 's3cr3t!' } }), { secrets }));
    expect(output()).to.equal('a ************** b ******* c\n**************');
    expect(result?.logTail).to.equal(output());
    expect(statSync(outputPath()).mode & 0o777).to.equal(0o600);
    // A secret that is replaced is still one, and the new one too.
    writeFileSync(path, 'another-secret\n');
    for (const name of ['status-1', claimPathOf('status-1')]) rmSync(file(name));
    await run(script('b.sh', '#!/bin/sh\necho another-secret hunter2hunter2\n'), { secrets });
    expect(output()).to.match(/\n\*{14}\*{14} \*{14}\n$/);
  });

  it('masks what a script had printed before the host went down under it', async () => {
    const secrets = createSecrets({ disk, logger: silentLogger }, { files: [], variables: ['TOKEN'] });
    const hook = script('a.sh', '#!/bin/sh\n', { env: { TOKEN: 'tok-1234567890' } });
    writeFileSync(outputPath(), 'logged in with tok-1234567890\n');
    const previous: PreviousRun = {
      attempt: 1,
      deadlineAt: Date.now() + 10_000,
      bootId: 'an earlier one',
      isTimedOut: false,
      ended: null,
    };
    expect(diagnosticsOf(await run(hook, { previous, secrets }))).to.include({ errorCode: 'UnknownError' });
    expect(output()).to.equal('logged in with **************\n');
  });

  it('replaces bytes that are not UTF-8 and stays within the bound of the tail', async () => {
    const hook = script('a.sh', '#!/bin/sh\nhead -c 5000 /dev/zero | tr "\\0" "\\377"\necho " end"\nexit 1\n');
    const tail = diagnosticsOf(await run(hook))?.logTail ?? '';
    expect(Buffer.byteLength(tail)).to.be.at.most(2_048);
    expect(tail).to.match(/^\ufffd+ end\n$/);
  });

  it('124. runs as another user with that user’s groups and home', async function () {
    if (process.getuid?.() !== 0) this.skip();
    const hook = script('a.sh', '#!/bin/sh\nid -un\nid -G\necho $HOME $USER\n', { runas: 'daemon' });
    expect(await run(hook)).to.deep.equal({ kind: 'succeeded' });
    expect(output().split('\n')).to.deep.equal(['daemon', '1', '/usr/sbin daemon', '']);
  });

  it('121. names the user that a script runs as, and refuses one that the host does not have', async () => {
    const result = diagnosticsOf(await run(script('a.sh', '#!/bin/sh\n', { runas: 'nobody-of-that-name' })));
    expect(result?.errorCode).to.equal('ScriptFailed');
    expect(result?.message).to.contain('there is no user "nobody-of-that-name" (runas) on this host');
    const own = diagnosticsOf(await run(script('b.sh', '#!/bin/sh\nexit 3\n', { runas: ownAccount().name })));
    expect(own?.message).to.equal(
      `Script at specified location: b.sh run as user ${ownAccount().name} failed with exit code 3`,
    );
  });

  it('122. says why a script could not be started', async () => {
    // The kernel takes no single argument longer than 128 KiB.
    const result = diagnosticsOf(await run(script('a.sh', '#!/bin/sh\n', { args: ['x'.repeat(200_000)] })));
    expect(result?.errorCode).to.equal('ScriptFailed');
    expect(result?.message).to.match(/^Script at specified location: a\.sh could not be started: .*E2BIG/);
  });

  it('is not told to have ended when its process could not begin', async () => {
    const hook = script('a.sh', `#!/bin/sh\necho ran > ${file('ran')}\n`);
    const result = await run(hook, { onStarting: () => symlinkSync(file('nowhere'), claimPathOf(file('status-1'))) });
    expect(diagnosticsOf(result)).to.include({ errorCode: 'ScriptFailed' }).and.not.to.have.property('exitCode');
    expect(diagnosticsOf(result)?.message).to.contain('could not be started');
    expect(existsSync(file('ran'))).to.equal(false);
  });

  it('is told to have ended with 125 when it has', async () => {
    const result = await run(script('a.sh', '#!/bin/sh\nexit 125\n'));
    expect(diagnosticsOf(result)).to.include({ errorCode: 'ScriptFailed', exitCode: 125 });
  });

  describe('that was prepared', () => {
    const aRequest = (changes: Partial<StartRequest> = {}): StartRequest => ({
      file: join(root, 'archive', 'scripts/a.sh'),
      args: [],
      workingDirectory: join(root, 'archive'),
      environment: { PATH: '/usr/bin:/bin', MARK: 'one' },
      outputPath: outputPath(),
      statusPath: file('status-1'),
      ...changes,
    });
    const never = new AbortController().signal;
    let runner: ReturnType<typeof aRunner>;
    beforeEach(async () => {
      runner = aRunner();
      await runner.bootId();
    });
    async function startedBy(request: StartRequest): Promise<ProcessHandle> {
      const outcome = await runner.start(request);
      if (!outcome.ok) throw new Error(outcome.message);
      return outcome.handle;
    }
    const waitingShells = () => childrenOf(process.pid).filter((pid) => commandOf(pid).includes('drover-hook'));

    it('is started as if it had not been, by the shell that waited for it', async () => {
      script('scripts/a.sh', '#!/bin/sh\npwd\necho "$MARK"\ncat\nset -- /proc/$$/fd/*\necho $#\necho to-stderr >&2\n');
      runner.prepare(aRequest());
      const [waiting] = waitingShells();
      const handle = await startedBy(aRequest());
      expect(handle.pid).to.equal(waiting);
      expect(await runner.waitForEnd(handle, never)).to.deep.equal({ exitCode: 0, signal: null });
      const prepared = output();
      expect(prepared).to.match(/archive\none\n\d+\nto-stderr\n$/);
      expect(readFileSync(claimPathOf(file('status-1')), 'utf8')).to.equal(`${handle.pid} ${handle.startTime}\n`);
      expect(statSync(outputPath()).mode & 0o777).to.equal(0o600);

      rmSync(outputPath());
      await runner.waitForEnd(await startedBy(aRequest({ statusPath: file('status-2') })), never);
      expect(output()).to.equal(prepared);
    });

    it('touches nothing until it is started, and ends without having when it is not wanted', async () => {
      script('scripts/a.sh', '#!/bin/sh\necho ran\n');
      runner.prepare(aRequest());
      const [waiting] = waitingShells();
      runner.prepare(null);
      if (waiting === undefined) throw new Error('nothing waits');
      await gone(waiting);
      expect([outputPath(), file('status-1'), claimPathOf(file('status-1'))].filter(existsSync)).to.deep.equal([]);
    });

    it('is not taken for the process of its script by those who look for that', async () => {
      script('scripts/a.sh', '#!/bin/sh\necho ran\n');
      runner.prepare(aRequest({ args: ['--port', '8080'] }));
      const [waiting] = waitingShells();
      if (waiting === undefined) throw new Error('nothing waits');
      expect(commandOf(waiting)).not.to.contain('a.sh').and.not.to.contain('8080').and.not.to.contain(root);
      runner.prepare(null);
      await gone(waiting);
    });

    it('is given its words as they are, whatever is in them', async () => {
      script('scripts/a.sh', '#!/bin/sh\nfor word; do printf "[%s]" "$word"; done\n');
      const args = ['', "it's", '$HOME `id` "x" \\', 'two\nlines\n\n', ' * ', '-n', 'äö'];
      await runner.waitForEnd(await startedBy(aRequest({ args })), never);
      expect(output()).to.equal(args.map((arg) => `[${arg}]`).join(''));
    });

    it('gives way to any other start', async () => {
      script('scripts/a.sh', '#!/bin/sh\necho "$MARK $0"\n');
      runner.prepare(aRequest());
      const [waiting] = waitingShells();
      if (waiting === undefined) throw new Error('nothing waits');
      const other = aRequest({ environment: { PATH: '/usr/bin:/bin', MARK: 'two' } });
      await runner.waitForEnd(await startedBy(other), never);
      await gone(waiting);
      expect(output()).to.match(/^two .*\n$/);
    });

    it('is started all the same when the waiting shell was killed', async () => {
      script('scripts/a.sh', '#!/bin/sh\necho ran\n');
      runner.prepare(aRequest());
      const [waiting] = waitingShells();
      if (waiting === undefined) throw new Error('nothing waits');
      process.kill(waiting, 'SIGKILL');
      await gone(waiting);
      const handle = await startedBy(aRequest());
      expect(await runner.waitForEnd(handle, never)).to.deep.equal({ exitCode: 0, signal: null });
      expect(output()).to.equal('ran\n');
    });

    it('has its output where the file is when it starts, not where it was', async () => {
      script('scripts/a.sh', '#!/bin/sh\necho ran\n');
      writeFileSync(outputPath(), 'before\n');
      runner.prepare(aRequest());
      // As when secrets are masked.
      writeFileSync(file('masked'), '******\n');
      renameSync(file('masked'), outputPath());
      await runner.waitForEnd(await startedBy(aRequest()), never);
      expect(output()).to.equal('******\nran\n');
    });
  });

  describe('after an agent died', () => {
    async function interruptedRun(hook: HookScript): Promise<PreviousRun> {
      let previous: PreviousRun | null = null;
      const stop = new AbortController();
      const first = run(hook, {
        signal: stop.signal,
        onStarting: (start) => {
          previous = start;
        },
      });
      await pidIn('main');
      stop.abort();
      expect(await first).to.deep.equal({ kind: 'interrupted' });
      // Set by onStarting, which the compiler cannot see.
      return previous as unknown as PreviousRun;
    }
    const waiting = () =>
      script(
        'a.sh',
        `#!/bin/sh\necho $$ > ${file('main')}\necho x >> ${file('runs')}\nwhile [ ! -e ${file('gate')} ]; do sleep 0.02; done\nexit 7\n`,
      );

    it('finds the running script and waits for its end', async () => {
      const hook = waiting();
      const previous = await interruptedRun(hook);
      const second = run(hook, { previous });
      writeFileSync(file('gate'), '');
      expect(diagnosticsOf(await second)).to.include({ exitCode: 7 });
      expect(readFileSync(file('runs'), 'utf8')).to.equal('x\n');
    });

    it('reads how a script ended while no agent was there', async () => {
      const hook = waiting();
      const previous = await interruptedRun(hook);
      writeFileSync(file('gate'), '');
      await gone(await pidIn('main'));
      expect(diagnosticsOf(await run(hook, { previous }))).to.include({ exitCode: 7 });
    });

    it('stops it when only the rest of its time is over', async () => {
      const hook = { ...waiting(), timeoutSeconds: 600 };
      const previous = await interruptedRun(hook);
      const late = { ...previous, deadlineAt: Date.now() + 50 };
      expect(diagnosticsOf(await run(hook, { previous: late }))).to.include({ errorCode: 'ScriptTimedOut' });
    });

    it('reports the outcome as unknown when the process died with its wrapper, and does not run it again', async () => {
      const hook = waiting();
      const previous = await interruptedRun(hook);
      const [pid] = readFileSync(claimPathOf(file('status-1')), 'utf8').split(' ');
      // The wrapper may have claimed and the script not have begun.
      await until('the script has begun', 10_000, () => existsSync(file('runs')) && statSync(file('runs')).size > 0);
      process.kill(-Number(pid), 'SIGKILL');
      await gone(Number(pid));
      const result = diagnosticsOf(await run(hook, { previous }));
      expect(result?.errorCode).to.equal('UnknownError');
      expect(result?.message).to.contain(
        'the outcome is unknown, because the host or the process died inside the script',
      );
      expect(readFileSync(file('runs'), 'utf8')).to.equal('x\n');
    });

    it('runs a script that was decided on but never started, and keeps a late start from happening', async () => {
      const hook = script('a.sh', `#!/bin/sh\necho x >> ${file('runs')}\n`);
      const runner = aRunner();
      const previous = {
        attempt: 1,
        deadlineAt: Date.now() + 60_000,
        bootId: await runner.bootId(),
        isTimedOut: false,
        ended: null,
      };
      expect(await run(hook, { previous })).to.deep.equal({ kind: 'succeeded' });
      // The first start comes late after all: it finds that it was claimed, and does nothing.
      const late = await runner.start({
        file: join(root, 'archive', 'a.sh'),
        args: [],
        workingDirectory: root,
        environment: {},
        outputPath: outputPath(),
        statusPath: file('status-1'),
      });
      if (late.ok) await runner.waitForEnd(late.handle, new AbortController().signal);
      expect(readFileSync(file('runs'), 'utf8')).to.equal('x\n');
    });

    it('knows that a start never happened also when the agent that found that out died of it', async () => {
      const found = { statusPath: file('status-1'), bootId: await aRunner().bootId() };
      expect(await aRunner().findStarted(found)).to.deep.equal({ state: 'never' });
      expect(await aRunner().findStarted(found)).to.deep.equal({ state: 'never' });
    });

    it('says unknown for a script of an earlier boot', async () => {
      const previous = { attempt: 1, deadlineAt: 0, bootId: 'another boot', isTimedOut: false, ended: null };
      const result = diagnosticsOf(await run(script('a.sh', '#!/bin/sh\n'), { previous }));
      expect(result?.message).to.contain('the outcome is unknown');
    });

    it('never signals a process that only has the same id', async () => {
      const runner = aRunner();
      const boot = await runner.bootId();
      await runner.signalGroup({ pid: process.pid, startTime: `${boot}:1` }, 'SIGKILL');
      await runner.signalGroup({ pid: process.pid, startTime: 'another boot:1' }, 'SIGKILL');
      expect(await runner.isRunning({ pid: process.pid, startTime: `${boot}:1` })).to.equal(false);
    });
  });
});

function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
}

function commandOf(pid: number): string {
  return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
}

import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { Machines, type Ran, whyNoMachines } from '../support/namespaces.ts';
import { until } from '../support/real-herd.ts';

const README = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
const HOSTS = ['web-1', 'web-2', 'web-3'];
const ALL = [...HOSTS, 'web-4'];
const whyNot = whyNoMachines();
/** Long enough that the connection is given up and made anew, not only slow. */
const CABLE_OUT_MS = 18_000;
/** What the agent of web-3 has, MiB. It leaves 64 of it free. */
const SMALL_DISK_MIB = 100;
const LARGE_BUNDLE_MIB = 48;

interface Block {
  /** `on coordinator`, `on hosts, in the background`, `copy`, `install`. */
  kind: string;
  script: string;
}

/** The shell blocks of the README's walk-through; their info strings say where each is run. */
function blocksOf(markdown: string): Block[] {
  return [...markdown.matchAll(/^```sh (.+)\n([\s\S]*?)^```$/gm)].map(([, kind = '', script = '']) => ({
    kind,
    script,
  }));
}

describe(`machines with networks of their own${whyNot === null ? '' : ` (skipped: ${whyNot})`}`, function () {
  this.timeout(240_000);
  // Each test goes on where the one before ended.
  this.bail(true);
  const machines = new Machines();
  let told = '';

  before(async function () {
    if (whyNot !== null) return this.skip();
    await machines.start();
    await machines.add('coordinator', '10.20.0.1/24');
    for (const [index, name] of ALL.entries()) await machines.add(name, `10.20.0.${index + 11}/24`);
    const mount = `mount -t tmpfs -o size=${SMALL_DISK_MIB}m tmpfs /var/lib/drover-agent`;
    await must('web-3', `mkdir -p /var/lib/drover-agent && ${mount}`);
  });
  after(() => machines.close());
  afterEach(async function () {
    if (this.currentTest?.state !== 'failed') return;
    console.log(told);
    for (const name of ['coordinator', ...ALL])
      console.log((await machines.run(name, 'tail -n 15 /root/*.log || true')).text);
  });

  async function must(name: string, script: string): Promise<string> {
    const ran: Ran = await machines.run(name, script, 120_000);
    told = `${told}\n[${name}]$ ${script}\n${ran.text}`.slice(-20_000);
    expect(ran.code, `on ${name}: ${script}\n${ran.text}`).to.equal(0);
    return ran.text;
  }

  async function onlineHosts(): Promise<string[]> {
    const { stdout } = await machines.run('coordinator', 'drover hosts ls --json');
    // The form that `drover help json` promises.
    const { items } = JSON.parse(stdout) as { items: { name: string; presence: string }[] };
    return items.filter((host) => host.presence === 'Online').map((host) => host.name);
  }

  async function verifyVersion(names: readonly string[], version: string): Promise<void> {
    const ask = `node -e 'fetch("http://127.0.0.1:8080/").then(async (answer) => console.log(await answer.text()))'`;
    for (const name of names) expect((await must(name, ask)).trim(), name).to.equal(`hello from ${version}`);
  }

  const pushVersion = (version: string, slowSeconds: number) =>
    must(
      'coordinator',
      `echo ${version} > hello/VERSION; echo ${slowSeconds} > hello/SLOW; drover push hello --app hello --label ${version}`,
    );

  async function runBlock({ kind, script }: Block): Promise<string> {
    if (kind === 'install') return '';
    if (kind === 'copy') {
      for (const line of script.trim().split('\n')) {
        const [command, ...paths] = line.split(/\s+/);
        const [, name = '', directory = ''] = /^root@(.+):(.+)$/.exec(paths.pop() ?? '') ?? [];
        expect(command).to.equal('scp');
        await machines.copy('coordinator', paths, name, directory);
      }
      return '';
    }
    const [, where = '', background] =
      /^on (\S+?)(, in the background)?$/.exec(kind) ?? expect.fail(`README: "${kind}"`);
    const names = where === 'hosts' ? HOSTS : [where];
    if (background === undefined) {
      const texts: string[] = [];
      for (const name of names) texts.push(await must(name, script));
      return texts.join('');
    }
    for (const name of names) machines.runInBackground(name, script, where === 'coordinator' ? 'coordinator' : 'agent');
    if (where === 'coordinator')
      await until('the coordinator listens', 20_000, async () => {
        const token = '/var/lib/drover/first-operator-token';
        return (await machines.run('coordinator', `test -s ${token} && true > /dev/tcp/10.20.0.1/7717`)).code === 0;
      });
    else
      await until(`${names.join()} are online`, 20_000, async () => {
        const online = await onlineHosts();
        return names.every((name) => online.includes(name));
      });
    return '';
  }

  /** What must hold after the block that contains the words. */
  const verified: [words: string, check: (text: string) => Promise<void> | void][] = [
    ['deploy hello/web 1.0.0 --yes\n', () => verifyVersion(HOSTS, '1.0.0')],
    ['deploy hello/web 1.1.0 --yes\n', () => verifyVersion(HOSTS, '1.1.0')],
    [
      '2.0.0-bad',
      async (text) => {
        expect(text).to.include('exit code 6');
        expect(text, 'the cause').to.match(/validate\.sh[\s\S]*expected version 2\.0\.0-bad/);
        await verifyVersion(HOSTS, '1.1.0');
      },
    ],
    [
      'drover rollback',
      async (text) => {
        expect(text).to.match(/1\.0\.0[\s\S]*1\.1\.0/);
        await verifyVersion(HOSTS, '1.1.0');
      },
    ],
    [
      'wait-ready',
      async (text) => {
        expect(text).to.include('ready');
        await verifyVersion(['web-4'], '1.1.0');
      },
    ],
    [
      'drover stop last',
      async (text) => {
        expect(text).to.match(/Stopped by first-operator.*2 not attempted of 4/);
        await verifyVersion(ALL, '1.0.0');
      },
    ],
  ];

  it("do the README's walk-through as it is written", async () => {
    const done = new Set<string>();
    for (const block of blocksOf(README)) {
      const text = await runBlock(block);
      for (const [words, check] of verified)
        if (!done.has(words) && block.script.includes(words)) {
          await check(text);
          done.add(words);
        }
    }
    expect(
      verified.map(([words]) => words).filter((words) => !done.has(words)),
      'not in the README',
    ).to.deep.equal([]);
  });

  it('lose the network in the middle of a deployment: the host goes on, and the herd is told afterwards', async () => {
    await pushVersion('1.3.0', 4);
    const id = (await must('coordinator', 'drover deploy hello/web 1.3.0 --yes --detach --quiet')).trim();
    const isInside = `grep -q '${id} AfterInstall' /opt/hello-service/hooks.log`;
    await until('web-1 is inside AfterInstall', 30_000, async () => (await machines.run('web-1', isInside)).code === 0);
    machines.link('web-1', 'down');
    try {
      await new Promise((resolve) => setTimeout(resolve, CABLE_OUT_MS));
      await verifyVersion(['web-1'], '1.3.0');
      expect(await must('coordinator', `drover status ${id}`)).to.match(/web-1.*InProgress|InProgress/);
    } finally {
      machines.link('web-1', 'up');
    }
    await must('coordinator', `drover watch ${id} --timeout 90s`);
    await verifyVersion(ALL, '1.3.0');
    for (const name of ALL)
      expect((await must(name, `grep '${id}' /opt/hello-service/hooks.log`)).trim().split('\n').sort()).to.deep.equal(
        ['AfterInstall', 'ApplicationStart', 'ApplicationStop', 'ValidateService'].map((event) => `${id} ${event}`),
      );
  });

  it('run out of disk on one host: it fails by name, keeps its files, and takes the next small one', async () => {
    await must('coordinator', `head -c ${LARGE_BUNDLE_MIB}M /dev/urandom > hello/ballast`);
    await pushVersion('1.4.0', 0);
    await must('coordinator', 'drover deploy hello/web 1.4.0 --yes');
    expect(await must('coordinator', 'drover why last'))
      .to.match(/web-3/)
      .and.match(/bytes free, but the bundle needs/);
    await verifyVersion(['web-1', 'web-2', 'web-4'], '1.4.0');
    // ApplicationStop comes before DownloadBundle, as in CodeDeploy: the service is down, its files are what they were.
    expect((await must('web-3', 'cat /opt/hello-service/VERSION')).trim()).to.equal('1.3.0');
    await must('coordinator', 'rm hello/ballast');
    await pushVersion('1.5.0', 0);
    await must('coordinator', 'drover deploy hello/web 1.5.0 --yes');
    await verifyVersion(ALL, '1.5.0');
  });
});

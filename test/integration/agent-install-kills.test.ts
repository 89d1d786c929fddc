import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { createAccounts } from '../../agent/host/accounts.ts';
import type { Disk } from '../../agent/host/disk.ts';
import { withFailpoint } from '../../agent/host/failpoint-disk.ts';
import { createNodeDisk } from '../../agent/host/node-disk.ts';
import type { ToolResult } from '../../agent/host/process-runner.ts';
import { type InstallParts, type InstallRequest, install, recoverInstall } from '../../agent/install/installer.ts';
import { parseAppSpec } from '../../shared/appspec/parse.ts';
import { silentLogger } from '../../shared/core/logger.ts';
import { systemError } from '../support/faulty-disk.ts';
import { readTree, type TreeSpec, temporaryDirectory, writeTree } from '../support/tree.ts';

const MOMENTS = ['before', 'torn', 'after'] as const;
const MAX_CHANGES = 1_000;
const disk = createNodeDisk();

interface Scenario {
  title: string;
  /** On the host before the first install. */
  foreign?: TreeSpec;
  /** Installed one after the other; the last one is killed. */
  bundles: readonly [TreeSpec, ...TreeSpec[]];
  appSpec?: string;
  disk?: Disk;
  /** The last install fails by itself, after the switch. */
  fails?: boolean;
}

const FILES = 'files:\n  - {source: app, destination: HOST/srv}\n';
const big = (letter: string) => letter.repeat(20_000);
const UPGRADE_FROM: TreeSpec = { 'app/same': 's', 'app/changed': big('1'), 'app/gone': '1', 'app/d/gone': '1' };
const UPGRADE_TO: TreeSpec = { 'app/same': 's', 'app/changed': big('2'), 'app/fresh': '2', 'app/n/m/fresh': big('2') };

const SCENARIOS: readonly Scenario[] = [
  { title: 'a first install', bundles: [{ 'app/a': big('1'), 'app/d/b': '1', 'app/l': { link: 'a' } }] },
  {
    title: 'a first install among files of others',
    foreign: { 'srv/a': 'foreign', 'srv/other': 'foreign' },
    bundles: [{ 'app/a': '1', 'app/b': '1' }],
    appSpec: `file_exists_behavior: OVERWRITE\n${FILES}`,
  },
  { title: 'an upgrade', bundles: [UPGRADE_FROM, UPGRADE_TO] },
  { title: 'a rollback', bundles: [UPGRADE_FROM, UPGRADE_TO, UPGRADE_FROM] },
  {
    title: 'an upgrade of files to directories and back',
    bundles: [
      { 'app/x': '1', 'app/y/z': '1', 'app/y/deep/z': '1', 'app/l': { link: 'x' } },
      { 'app/x/z': '2', 'app/y': '2', 'app/l/z': '2' },
    ],
  },
  {
    title: 'an upgrade of links',
    bundles: [
      { 'app/l': { link: 'a' }, 'app/file': '1', 'app/a': '1', 'app/gone': { link: 'nowhere' } },
      { 'app/l': { link: 'b' }, 'app/file': { link: 'b' }, 'app/a': { link: 'b' }, 'app/b': '2' },
    ],
  },
  {
    title: 'an upgrade with permissions',
    bundles: [UPGRADE_FROM, UPGRADE_TO],
    appSpec: `${FILES}permissions:\n  - {object: HOST/srv, mode: 640, type: [file]}\n  - {object: HOST, mode: 750, type: [directory]}\n`,
  },
  {
    title: 'an upgrade without hard links',
    bundles: [UPGRADE_FROM, UPGRADE_TO],
    disk: { ...disk, link: async () => Promise.reject(systemError('EPERM')) },
  },
  { title: 'a removal of everything', bundles: [UPGRADE_FROM, {}] },
  {
    title: 'an upgrade that fails after the switch and is undone',
    bundles: [UPGRADE_FROM, UPGRADE_TO],
    appSpec: `${FILES}permissions:\n  - {object: HOST/srv, type: [file], context: {type: t, range: s0}}\n`,
    fails: true,
  },
];

/**
 * An install plays dead at every change it makes to the disk, before it, in the middle of it and after it; what a new agent
 * finds is put right and must be the old tree or the new one, and the list of installed files must say the same.
 */
describe('an install that is killed at every step', function () {
  this.timeout(300_000);
  let scratch: ReturnType<typeof temporaryDirectory>;
  let root: string;
  beforeEach(() => {
    // Thousands of installs: a disk that has nothing to sync is a hundred times as quick.
    scratch = temporaryDirectory(existsSync('/dev/shm') ? '/dev/shm' : undefined);
    root = scratch.path;
  });
  afterEach(() => scratch.remove());

  const group = () => ({ groupId: 'g-1', stateDirectory: join(root, 'now/state') });
  const tree = () => readTree(join(root, 'now/host')).join('\n');
  const installedBy = () => {
    try {
      return JSON.parse(readFileSync(join(root, 'now/state/g-1-manifest.json'), 'utf8')).deploymentId as string;
    } catch {
      return null;
    }
  };

  for (const scenario of SCENARIOS)
    it(`leaves the old files or the new ones in ${scenario.title}`, async () => {
      const { partsWith, prepare } = world(scenario);
      const request = await prepare();
      const old = { tree: tree(), by: installedBy() };
      save('old');
      const outcome = await install(partsWith(scenario.disk ?? disk, scenario.fails), request);
      expect(outcome.ok).to.equal(scenario.fails !== true);
      const wanted = { tree: tree(), by: installedBy() };
      if (scenario.fails === true) expect(wanted).to.deep.equal(old);

      const seen = { old: 0, new: 0 };
      for (let change = 1; ; change++) {
        expect(change, 'the install ends').to.be.below(MAX_CHANGES);
        let wasHit = false;
        for (const moment of MOMENTS) {
          restore('old');
          wasHit = await installDying(partsWith, scenario, request, { change, moment });
          await recoverInstall(partsWith(scenario.disk ?? disk), group());
          const found = { tree: tree(), by: installedBy() };
          const place = `${moment} change ${change}`;
          expect([old, wanted], `${place}\n${found.tree}\n`).to.deep.include(found);
          seen[found.by === old.by ? 'old' : 'new']++;
          expect(await recoverInstall(partsWith(disk), group()), place).to.equal('nothing');
        }
        if (!wasHit) break;
      }
      expect(seen.old).to.be.above(10);
      if (scenario.fails !== true) expect(seen.new).to.be.above(3);
    });

  it('leaves the old files also when the agent that puts things right is killed, at every step', async () => {
    const scenario: Scenario = {
      title: '',
      // Once the link is back, its paths lead to files of others.
      foreign: { 'data/z': 'foreign', 'data/empty': null },
      bundles: [
        { ...UPGRADE_FROM, 'app/x/y': '1', 'app/k': { link: '../data' } },
        { ...UPGRADE_TO, 'app/x': '2', 'app/k/z': '2', 'app/k/empty/y': '2' },
      ],
    };
    const { partsWith, prepare } = world(scenario);
    const request = await prepare();
    const old = { tree: tree(), by: installedBy() };
    save('old');
    const deaths = await changesOf(partsWith, request);
    // Everything is switched and nothing is decided: the most to undo.
    for (const death of [Math.round(deaths / 2), deaths - 20, deaths - 12]) {
      restore('old');
      await installDying(partsWith, scenario, request, { change: death, moment: 'before' });
      save('dead');
      for (let change = 1, isOver = false; !isOver; change++)
        for (const moment of MOMENTS) {
          restore('dead');
          isOver = true;
          const dying = withFailpoint(disk, { kind: 'disk', change, moment }, () => {
            isOver = false;
            throw new Error('the agent is dead');
          });
          await recoverInstall(partsWith(dying), group()).catch(() => null);
          await recoverInstall(partsWith(disk), group());
          const found = { tree: tree(), by: installedBy() };
          expect([old, { ...found, by: request.deploymentId }], `${death}, ${moment} ${change}`).to.deep.include(found);
        }
    }
  });

  it('is not done again once it is committed, so that it cannot fail under files that are there', async () => {
    const { partsWith, prepare } = world({ title: '', bundles: [UPGRADE_FROM, UPGRADE_TO] });
    const request = await prepare();
    const first = await install(partsWith(disk), request);
    const full: Disk = { ...disk, copyFile: () => Promise.reject(systemError('ENOSPC')) };
    // As after a crash between the list of files and the journal of the agent.
    expect(await install(partsWith(full), request)).to.deep.equal({ ...first, removedFiles: 0 });
  });

  function save(name: string): void {
    rmSync(join(root, name), { recursive: true, force: true });
    copy('now', name);
  }
  function restore(name: string): void {
    rmSync(join(root, 'now'), { recursive: true, force: true });
    copy(name, 'now');
  }
  /** With hard links kept: a staged file and the placed one are the same for a moment. */
  function copy(from: string, to: string): void {
    execFileSync('cp', ['-a', join(root, from), join(root, to)]);
  }

  function world(scenario: Scenario) {
    const partsWith = (on: Disk, toolsFail = false): InstallParts => {
      const run = async (file: string): Promise<ToolResult> => ({
        exitCode: toolsFail && file === 'restorecon' ? 1 : 0,
        stdout: '',
        stderr: '',
      });
      return { disk: on, run, accounts: createAccounts({ disk, run }), logger: silentLogger };
    };
    const parsed = parseAppSpec(
      `version: 0.0\nos: linux\n${(scenario.appSpec ?? FILES).replaceAll('HOST', join(root, 'now/host'))}`,
    );
    if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
    const requestFor = (index: number): InstallRequest => ({
      ...group(),
      deploymentId: `d-${index}`,
      appSpec: parsed.appSpec,
      archiveRoot: join(root, `bundle-${index}`),
      fileExistsBehavior: 'DISALLOW',
    });
    /** Installs all bundles but the last, whose request is returned. */
    const prepare = async (): Promise<InstallRequest> => {
      writeTree(join(root, 'now'), { host: null, state: null });
      writeTree(join(root, 'now/host'), scenario.foreign ?? {});
      for (const [index, bundle] of scenario.bundles.entries()) {
        writeTree(join(root, `bundle-${index}`), { app: null, ...bundle });
        if (index === scenario.bundles.length - 1) break;
        expect(await install(partsWith(scenario.disk ?? disk), requestFor(index))).to.include({ ok: true });
      }
      return requestFor(scenario.bundles.length - 1);
    };
    return { partsWith, prepare };
  }

  async function installDying(
    partsWith: ReturnType<typeof world>['partsWith'],
    scenario: Scenario,
    request: InstallRequest,
    death: { change: number; moment: (typeof MOMENTS)[number] },
  ): Promise<boolean> {
    let wasHit = false;
    const dying = withFailpoint(scenario.disk ?? disk, { kind: 'disk', ...death }, () => {
      wasHit = true;
      throw new Error('the agent is dead');
    });
    await install(partsWith(dying, scenario.fails), request);
    return wasHit;
  }

  async function changesOf(partsWith: ReturnType<typeof world>['partsWith'], request: InstallRequest): Promise<number> {
    for (let change = 1; ; change++) {
      restore('old');
      if (!(await installDying(partsWith, { title: '', bundles: [{}] }, request, { change, moment: 'before' })))
        return change;
    }
  }
});

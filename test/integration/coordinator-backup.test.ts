import { execFile, spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import BetterSqlite3 from 'better-sqlite3';
import { expect } from 'chai';
import { startCoordinator } from '../../coordinator/coordinator.ts';
import { silentLogger } from '../../shared/core/logger.ts';
import { systemClock } from '../../shared/core/system-clock.ts';
import { systemRandomness } from '../../shared/core/system-randomness.ts';
import { callApi, startTestCoordinator, testConfig } from '../support/coordinator.ts';

/** Enough that a copy in parts takes longer than the time between two writes. */
const FILLER_MIB = 48;

describe('the backup of docs/operations.md', function () {
  this.timeout(60_000);
  let directory: string;
  const cleanUp: (() => unknown)[] = [];
  before(function () {
    if (spawnSync('sqlite3', ['--version']).status !== 0) this.skip();
  });
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'drover-backup-'));
  });
  afterEach(async () => {
    for (const step of cleanUp.splice(0).reverse()) await step();
    await rm(directory, { recursive: true, force: true });
  });

  it('ends while the coordinator writes, also a second time, and a coordinator starts from it', async () => {
    const coordinator = await startTestCoordinator();
    cleanUp.push(() => coordinator.remove());
    fill(join(coordinator.dataDirectory, 'drover.db'));
    // As soon as a bundle was pushed.
    await mkdir(join(coordinator.dataDirectory, 'revisions'), { recursive: true });
    await mkdir(join(directory, 'etc'));
    let isWriting = true;
    // Each look at /readyz is a write.
    const writing = (async () => {
      while (isWriting) await coordinator.call('GET', '/readyz');
    })();
    try {
      const commands = (await backupCommands())
        .replaceAll('/var/lib/drover', coordinator.dataDirectory)
        .replaceAll('/backup/etc-drover', join(directory, 'backup-etc'))
        .replaceAll('/etc/drover', join(directory, 'etc'))
        .replaceAll('/backup/drover', join(directory, 'backup'));
      for (const time of ['first', 'second']) {
        await writeFile(join(directory, 'etc/coordinator.yaml'), time);
        await promisify(execFile)('sh', ['-euc', commands], { timeout: 20_000, killSignal: 'SIGKILL' });
        expect(await readFile(join(directory, 'backup-etc/coordinator.yaml'), 'utf8')).to.equal(time);
      }
    } finally {
      isWriting = false;
      await writing;
    }
    const restored = await startCoordinator({
      config: testConfig(join(directory, 'backup')),
      clock: systemClock,
      randomness: systemRandomness,
      logger: silentLogger,
      fatal: (error) => {
        throw error;
      },
    });
    cleanUp.push(() => restored.stop());
    const { status } = await callApi(`${restored.url}/v1/whoami`, 'GET', { token: coordinator.adminToken });
    expect(status).to.equal(200);
    expect(restored.coordinatorId).to.equal(coordinator.coordinatorId);
  });
});

async function backupCommands(): Promise<string> {
  const page = await readFile(join(import.meta.dirname, '../../docs/operations.md'), 'utf8');
  const block = /## Backup\n[^#]*?```sh\n([^`]*)```/.exec(page)?.[1];
  if (block === undefined) throw new Error('the page has no commands for a backup');
  return block;
}

function fill(path: string): void {
  const sqlite = new BetterSqlite3(path);
  sqlite.exec('CREATE TABLE filler (bytes BLOB)');
  const insert = sqlite.prepare('INSERT INTO filler VALUES (randomblob(1048576))');
  for (let mebibyte = 0; mebibyte < FILLER_MIB; mebibyte++) insert.run();
  sqlite.close();
}

import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { AppendFile, Disk } from '../../agent/host/disk.ts';
import { createNodeDisk } from '../../agent/host/node-disk.ts';
import { type Journal, openJournal, readJournal } from '../../agent/journal/journal.ts';
import { systemRandomness } from '../../shared/core/system-randomness.ts';
import { anAssignment } from '../support/agent-process.ts';
import { systemError } from '../support/faulty-disk.ts';

const assignment = anAssignment({ digest: 'a'.repeat(64), bytes: new Uint8Array(), bundleType: 'tgz' });

describe('the journal on a disk', () => {
  const disk = createNodeDisk();
  let directory: string;
  let path: string;
  const open = (compactAboveBytes?: number) =>
    openJournal({
      disk,
      path,
      randomness: systemRandomness,
      ...(compactAboveBytes === undefined ? {} : { compactAboveBytes }),
    });

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'drover-journal-'));
    path = join(directory, 'journal');
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  /** The disk, but for what is told of the files that it opens. */
  const opening = (change: (file: AppendFile) => Partial<AppendFile>): Disk => ({
    ...disk,
    openAppend: async (...args) => {
      const file = await disk.openAppend(...args);
      return {
        get length() {
          return file.length;
        },
        append: (data) => file.append(data),
        truncate: (length) => file.truncate(length),
        close: () => file.close(),
        sync: () => file.sync(),
        ...change(file),
      };
    },
  });
  /** The syncs of opened files go through `around`. */
  const syncedBy = (around: (sync: () => Promise<void>) => Promise<void>) =>
    opening((file) => ({ sync: () => around(() => file.sync()) }));

  const tick = () => new Promise<boolean>((resolve) => setImmediate(resolve, false));

  function accept(journal: Journal, deploymentId: string): void {
    const report = { kind: 'accepted' as const, sequence: journal.nextSequence(), deploymentId, at: 1 };
    journal.append({ kind: 'accepted', assignment: { ...assignment, deploymentId }, report });
  }

  it('has after opening what was committed before, and keeps its name', async () => {
    const first = await open();
    accept(first, 'd-000000001');
    await first.commit();
    expect(first.durableSequence).to.equal(1);
    // Appended, and never committed: a crash may lose it.
    accept(first, 'd-000000002');
    const second = await open();
    expect(second.state.journalId).to.equal(first.state.journalId);
    expect(second.state.deployments.map((each) => each.assignment.deploymentId)).to.deep.equal(['d-000000001']);
    expect(statSync(path).mode & 0o777).to.equal(0o600);
    await second.close();
    await first.close();
  });

  it('has synced what an agent that died had written and not synced, before it calls that durable', async () => {
    const first = await open();
    accept(first, 'd-000000001');
    // The agent ends here: the bytes are written, and a power cut would still take them.
    await first.commit();
    await first.close();
    let syncs = 0;
    const counting = syncedBy((sync) => {
      syncs++;
      return sync();
    });
    const second = await openJournal({ disk: counting, path, randomness: systemRandomness });
    expect({ durable: second.durableSequence, syncs }).to.deep.equal({ durable: 1, syncs: 1 });
    await second.close();
  });

  it('calls nothing durable under a new name before that is on the disk, whatever was under the old one', async () => {
    let isHeld = false;
    let release: () => void = () => {};
    const slow = syncedBy(async (sync) => {
      if (isHeld)
        await new Promise<void>((resolve) => {
          release = resolve;
        });
      await sync();
    });
    const journal = await openJournal({ disk: slow, path, randomness: systemRandomness });
    for (let n = 1; n <= 3; n++) accept(journal, `d-00000000${n}`);
    await journal.commit();
    journal.append({ kind: 'acknowledged', sequence: 3 });
    isHeld = true;
    const before = journal.commit();
    await new Promise((resolve) => setImmediate(resolve));
    const renumbering = journal.renumber();
    accept(journal, 'd-000000004');
    expect(journal.state.reports.map(({ sequence }) => sequence)).to.deep.equal([1]);
    expect(journal.durableSequence, 'three were, under the old name').to.equal(0);
    isHeld = false;
    while (!(await Promise.race([before.then(() => true), tick()]))) release();
    expect(journal.durableSequence, 'what was written before has come to the disk').to.equal(0);
    await renumbering;
    await journal.commit();
    expect(journal.durableSequence).to.equal(1);
    await journal.close();
  });

  it('writes what is appended meanwhile in one go', async () => {
    const journal = await open();
    const commits = ['d-000000001', 'd-000000002', 'd-000000003'].map((deploymentId) => {
      accept(journal, deploymentId);
      return journal.commit();
    });
    await Promise.all(commits);
    await journal.close();
    expect(readFileSync(path, 'utf8').trimEnd().split('\n').length).to.be.at.most(3);
  });

  it('cuts a write that was torn at any byte and goes on after it', async () => {
    const journal = await open();
    accept(journal, 'd-000000001');
    await journal.close();
    const whole = statSync(path).size;
    const again = await open();
    accept(again, 'd-000000002');
    await again.close();
    const bytes = readFileSync(path);
    for (let length = whole; length < bytes.length; length += 7) {
      writeFileSync(path, bytes);
      truncateSync(path, length);
      const torn = await open();
      expect(torn.state.lastSequence, `cut at ${length}`).to.equal(1);
      accept(torn, 'd-000000003');
      await torn.close();
      expect((await readJournal(disk, path))?.deployments.at(-1)?.assignment.deploymentId).to.equal('d-000000003');
    }
  });

  it('stops at damage in the middle, with file and offset, and leaves the file as it is', async () => {
    const journal = await open();
    accept(journal, 'd-000000001');
    await journal.commit();
    accept(journal, 'd-000000002');
    await journal.close();
    const bytes = readFileSync(path);
    const second = bytes.indexOf('\n') + 1;
    bytes[second + 60] = 0x21;
    writeFileSync(path, bytes);
    const error = await open().catch((thrown: unknown) => thrown);
    expect(String(error)).to.contain(`the journal ${path} is unreadable at byte ${second}`);
    expect(readFileSync(path).equals(bytes)).to.equal(true);
  });

  it('rewrites itself when it has grown, and loses nothing by it', async () => {
    const journal = await open(20_000);
    accept(journal, 'd-000000001');
    for (let n = 0; n < 400; n++) {
      const sequence = journal.nextSequence();
      const report = { kind: 'event' as const, sequence, deploymentId: 'd-000000001', event: `E${n}` };
      journal.append({ kind: 'event-ended', report: { ...report, status: 'Skipped', startedAt: 0, durationMs: 0 } });
      journal.append({ kind: 'acknowledged', sequence });
      if (n % 5 === 0) await journal.commit();
    }
    await journal.close();
    expect(journal.facts().compactions).to.be.greaterThan(0);
    const reopened = await open();
    expect(reopened.state).to.deep.equal(journal.state);
    await reopened.close();
  });

  it('goes on with its file while no other one can be made, and is written anew when that can be', async () => {
    let isRefused = true;
    const refusing: typeof disk = {
      ...disk,
      writeFileDurably: (...args) =>
        isRefused ? Promise.reject(systemError('ENOSPC')) : disk.writeFileDurably(...args),
    };
    await (await open()).close();
    const refusals: unknown[] = [];
    const journal = await openJournal({
      disk: refusing,
      path,
      randomness: systemRandomness,
      compactAboveBytes: 1_000,
      onCompactionRefused: (error) => refusals.push(error),
    });
    for (let number = 0; number < 20; number++) {
      accept(journal, `d-${String(number).padStart(9, '0')}`);
      await journal.commit();
    }
    expect(journal.facts().compactions).to.equal(0);
    expect(refusals[0]).to.have.property('code', 'ENOSPC');
    expect((await readJournal(disk, path))?.deployments).to.have.length(20);
    isRefused = false;
    for (let number = 20; journal.facts().compactions === 0; number++) {
      expect(number).to.be.below(100);
      accept(journal, `d-${String(number).padStart(9, '0')}`);
      await journal.commit();
    }
    const { deployments } = journal.state;
    await journal.close();
    expect((await readJournal(disk, path))?.deployments).to.deep.equal(deployments);
  });

  /** A disk that takes half of what is appended, and then nothing, while it is full. */
  const fullWhile = (isFull: () => boolean) =>
    opening((file) => ({
      async append(data) {
        if (!isFull()) return file.append(data);
        await file.append(Buffer.from(data).subarray(0, Math.ceil(data.length / 2)));
        throw systemError('ENOSPC');
      },
    }));

  it('rejects commits while the disk is full, and writes what waits when there is room again, each once', async () => {
    let isFull = true;
    await (await open()).close();
    const journal = await openJournal({ disk: fullWhile(() => isFull), path, randomness: systemRandomness });
    for (const deploymentId of ['d-000000001', 'd-000000002']) {
      accept(journal, deploymentId);
      const error = await journal.commit().catch((thrown: unknown) => thrown);
      expect(String(error)).to.contain(`write the journal ${path}: ENOSPC`);
    }
    expect(journal.durableSequence).to.equal(0);
    expect((await readJournal(disk, path))?.deployments, 'nothing of it is half there').to.deep.equal([]);

    isFull = false;
    accept(journal, 'd-000000003');
    await journal.commit();
    expect(journal.durableSequence).to.equal(3);
    const { deployments } = journal.state;
    await journal.close();
    expect((await readJournal(disk, path))?.deployments).to.deep.equal(deployments);
    expect(deployments).to.have.length(3);
  });

  it('writes what waits at the end, or says that it cannot', async () => {
    await (await open()).close();
    const journal = await openJournal({ disk: fullWhile(() => true), path, randomness: systemRandomness });
    accept(journal, 'd-000000001');
    expect(String(await journal.close().catch((thrown: unknown) => thrown))).to.contain('ENOSPC');
  });

  it('rejects every commit after a sync has failed, since nobody knows what lies there', async () => {
    await (await open()).close();
    let isFailing = false;
    const journal = await openJournal({
      disk: syncedBy((sync) => (isFailing ? Promise.reject(systemError('EIO')) : sync())),
      path,
      randomness: systemRandomness,
    });
    isFailing = true;
    for (const deploymentId of ['d-000000001', 'd-000000002']) {
      accept(journal, deploymentId);
      const error = await journal.commit().catch((thrown: unknown) => thrown);
      expect(String(error)).to.contain(`write the journal ${path}: EIO`);
      isFailing = false;
    }
    expect(journal.durableSequence).to.equal(0);
    expect(String(await journal.close().catch((thrown: unknown) => thrown))).to.contain('EIO');
  });

  it('can be read while another process writes it', async () => {
    const journal = await open();
    accept(journal, 'd-000000001');
    await journal.commit();
    appendFileSync(path, 'half of a rec');
    expect((await readJournal(disk, path))?.lastSequence).to.equal(1);
    expect(await readJournal(disk, join(directory, 'none'))).to.equal(null);
    await journal.close();
  });
});

import { createHash } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { createLocalDiskStore } from '../../coordinator/revision-stores/local-disk.ts';
import type { RevisionStore } from '../../coordinator/revision-stores/revision-store.ts';
import { isAppError } from '../../shared/core/errors.ts';
import { seededRandomness } from '../support/fake-randomness.ts';
import { createMemoryStore } from '../support/memory-store.ts';

interface OpenStore {
  store: RevisionStore;
  /** A store over the same place, as after a restart. */
  reopen(): RevisionStore;
  /** How many files of unfinished bundles there are. */
  unfinished(): Promise<number>;
  close(): Promise<void>;
}

describeRevisionStore('local disk', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'drover-store-'));
  const reopen = () => createLocalDiskStore({ directory, randomness: seededRandomness(7) });
  return {
    store: reopen(),
    reopen,
    unfinished: async () => (await readdir(join(directory, 'unfinished')).catch(() => [])).length,
    close: () => rm(directory, { recursive: true, force: true }),
  };
});

describeRevisionStore('memory (of the simulation)', async () => {
  const place = { bundles: new Map(), unfinished: new Set<object>() };
  const reopen = () => createMemoryStore(place, () => 1);
  return { store: reopen(), reopen, unfinished: async () => place.unfinished.size, close: async () => {} };
});

/** What every revision store promises. */
function describeRevisionStore(name: string, open: () => Promise<OpenStore>): void {
  describe(`revision store: ${name}`, () => {
    let opened: OpenStore;
    beforeEach(async () => {
      opened = await open();
    });
    afterEach(() => opened.close());

    it('gives back what was put, by its SHA-256', async () => {
      const stored = await opened.store.put(chunks('hello ', 'world'), { maxBytes: 100 });
      expect(stored).to.deep.equal({ digest: sha256('hello world'), sizeBytes: 11 });
      expect(await read(opened.store, stored.digest)).to.equal('hello world');
      expect(await opened.store.sizeOf(stored.digest)).to.equal(11);
    });

    it('gives a part of it', async () => {
      const { digest } = await opened.store.put(chunks('hello world'), { maxBytes: 100 });
      expect(await read(opened.store, digest, { start: 6, end: 8 })).to.equal('wor');
    });

    it('keeps a bundle over a restart', async () => {
      const { digest } = await opened.store.put(chunks('hello'), { maxBytes: 100 });
      expect(await read(opened.reopen(), digest)).to.equal('hello');
    });

    it('takes the same bundle again, also at the same time', async () => {
      const both = await Promise.all([1, 2].map(() => opened.store.put(chunks('same'), { maxBytes: 100 })));
      expect(both[0]).to.deep.equal(both[1]);
      expect(await read(opened.store, sha256('same'))).to.equal('same');
    });

    it('takes an empty bundle', async () => {
      const { digest, sizeBytes } = await opened.store.put(chunks(), { maxBytes: 100 });
      expect(sizeBytes).to.equal(0);
      expect(await read(opened.store, digest)).to.equal('');
    });

    it('refuses other bytes than expected, and keeps nothing of them', async () => {
      const error = await failureOf(opened.store.put(chunks('x'), { digest: sha256('y'), maxBytes: 100 }));
      expect(isAppError(error, 'invalid')).to.equal(true);
      expect(await opened.store.sizeOf(sha256('x'))).to.equal(null);
      expect(await opened.unfinished()).to.equal(0);
    });

    it('refuses a bundle past its bound, and keeps nothing of it', async () => {
      const error = await failureOf(opened.store.put(chunks('12345', '67890', '1'), { maxBytes: 10 }));
      expect(isAppError(error, 'too_large')).to.equal(true);
      expect(await opened.unfinished()).to.equal(0);
    });

    it('passes on why a stream broke, and keeps nothing of it', async () => {
      async function* broken() {
        yield Buffer.from('half');
        throw new Error('the uploader has gone');
      }
      const error = await failureOf(opened.store.put(broken(), { maxBytes: 100 }));
      expect(error).to.have.property('message', 'the uploader has gone');
      expect(await opened.unfinished()).to.equal(0);
    });

    it('says when it has no such bundle', async () => {
      expect(isAppError(await failureOf(opened.store.open(sha256('never'))), 'not_found')).to.equal(true);
      expect(await opened.store.sizeOf(sha256('never'))).to.equal(null);
    });

    it('deletes, also what is not there', async () => {
      const { digest } = await opened.store.put(chunks('bye'), { maxBytes: 100 });
      expect(await opened.store.delete(digest)).to.equal(true);
      expect(await opened.store.delete(digest)).to.equal(false);
      expect(await opened.store.sizeOf(digest)).to.equal(null);
    });

    it('leaves what was stored since', async () => {
      const { digest } = await opened.store.put(chunks('fresh'), { maxBytes: 100 });
      expect(await opened.store.delete(digest, { storedBefore: 1 })).to.equal(false);
      expect(await opened.store.sizeOf(digest)).to.equal(5);
      expect(await opened.store.delete(digest, { storedBefore: Number.MAX_SAFE_INTEGER })).to.equal(true);
    });

    it('lists every bundle', async () => {
      for (const text of ['a', 'b', 'c']) await opened.store.put(chunks(text), { maxBytes: 100 });
      const digests: string[] = [];
      for await (const { digest, storedAt } of opened.store.list()) {
        expect(storedAt).to.be.greaterThan(0);
        digests.push(digest);
      }
      expect(digests).to.have.members([sha256('a'), sha256('b'), sha256('c')]);
    });

    it('removes what an interrupted upload left behind, and no bundle', async () => {
      const { digest } = await opened.store.put(chunks('whole'), { maxBytes: 100 });
      const endless = neverEnding();
      const interrupted = failureOf(opened.store.put(endless.chunks, { maxBytes: 100 }));
      await endless.begun;
      expect(await opened.unfinished()).to.equal(1);

      const restarted = opened.reopen();
      await restarted.sweepUnfinished();

      expect(await opened.unfinished()).to.equal(0);
      expect(await read(restarted, digest)).to.equal('whole');
      endless.end();
      await interrupted;
    });
  });
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

async function* chunks(...texts: string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield Buffer.from(text);
}

/** A stream that gives one chunk and then nothing, until it is ended by a failure. */
function neverEnding() {
  let begin = () => {};
  let end = () => {};
  const begun = new Promise<void>((resolve) => {
    begin = resolve;
  });
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  async function* give(): AsyncGenerator<Uint8Array> {
    yield Buffer.from('half');
    begin();
    await ended;
    throw new Error('interrupted');
  }
  return { chunks: give(), begun, end: () => end() };
}

async function read(store: RevisionStore, digest: string, range?: { start: number; end: number }): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of await store.open(digest, range)) parts.push(part as Buffer);
  return Buffer.concat(parts).toString('utf8');
}

async function failureOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => {
      throw new Error('did not fail');
    },
    (error: unknown) => error,
  );
}

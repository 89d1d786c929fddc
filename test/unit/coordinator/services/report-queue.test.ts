import { expect } from 'chai';
import fc from 'fast-check';
import type { Delivery } from '../../../../coordinator/services/report-batch.ts';
import { createReportQueue, type QueuedBatch } from '../../../../coordinator/services/report-queue.ts';

type Numbered = Delivery & { number: number };
const RETRY_MS = 1_000;
const delivery = (hostId: string, number: number): Numbered => ({
  hostId,
  number,
  items: [],
  running: [],
  installed: [],
});
const chunk = (offset: number) => ({ deploymentId: 'd-1', event: 'AfterInstall', offset, data: 'AAAA' });

describe('the queue of reports', () => {
  /** Commits until nothing is to be done now; what `takes` says no to is refused. */
  function work(
    queue: ReturnType<typeof createReportQueue<Numbered>>,
    now: number,
    takes: (batch: QueuedBatch<Numbered>) => boolean,
    committed: (batch: QueuedBatch<Numbered>) => void,
  ): number {
    let tries = 0;
    for (let batch = queue.take(now); batch !== null; batch = queue.take(now)) {
      expect(++tries, 'tries without time passing').to.be.below(10_000);
      if (takes(batch)) {
        queue.committed(batch);
        committed(batch);
      } else queue.refused(batch, now);
    }
    return tries;
  }

  it('gives everything once, in the order of each host, whoever is refused, and nobody waits for those', () => {
    const host = fc.integer({ min: 0, max: 7 }).map((number) => `h-${number}`);
    const step = fc.oneof(
      fc.record({ add: host }),
      fc.record({ addOutput: host }),
      // Refused from now on, taken from now on; by kind.
      fc.record({ toggle: fc.tuple(fc.constantFrom('reports' as const, 'output' as const), host) }),
      fc.record({ passMs: fc.integer({ min: 0, max: 3_000 }) }),
      // The clock is set back.
      fc.record({ passMs: fc.constant(-3_600_000) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const queue = createReportQueue<Numbered>(() => RETRY_MS);
        const refused = new Set<string>();
        const added = new Map<string, number[]>();
        const given = new Map<string, number[]>();
        let now = 0;
        let number = 0;
        const note = (to: Map<string, number[]>, key: string, one: number) =>
          to.set(key, [...(to.get(key) ?? []), one]);
        const takes = ({ deliveries, chunks }: QueuedBatch<Numbered>) =>
          !deliveries.some(({ hostId }) => refused.has(`reports ${hostId}`)) &&
          !chunks.some(({ hostId }) => refused.has(`output ${hostId}`));
        const committed = ({ deliveries, chunks }: QueuedBatch<Numbered>) => {
          for (const one of deliveries) note(given, `reports ${one.hostId}`, one.number);
          for (const one of chunks) note(given, `output ${one.hostId}`, one.chunk.offset);
        };
        for (const one of steps) {
          if ('add' in one) {
            note(added, `reports ${one.add}`, ++number);
            queue.add(delivery(one.add, number));
          } else if ('addOutput' in one) {
            note(added, `output ${one.addOutput}`, ++number);
            queue.addOutput([{ hostId: one.addOutput, chunk: chunk(number) }]);
          } else if ('toggle' in one) {
            const key = one.toggle.join(' ');
            if (!refused.delete(key)) refused.add(key);
          } else now += one.passMs;
          work(queue, now, takes, committed);
        }
        const left = () => [...added].flatMap(([key, all]) => (given.get(key)?.length === all.length ? [] : [key]));
        // Everybody whose words are taken has his committed; each lane of others costs one trial at a time.
        const later = () => {
          now += RETRY_MS;
          work(queue, now, takes, committed);
        };
        for (let round = 0; round < 40; round++) later();
        expect(left().filter((key) => !refused.has(key))).to.deep.equal([]);
        refused.clear();
        for (let round = 0; round < 2; round++) later();
        expect([...given].toSorted()).to.deep.equal([...added].toSorted());
        expect(queue.isEmpty).to.equal(true);
        expect(queue.size).to.equal(0);
        expect(queue.retryInMs(now)).to.equal(null);
      }),
      { numRuns: 500 },
    );
  });

  it('has room again for as much as it drops', () => {
    const queue = createReportQueue<Numbered>(() => RETRY_MS);
    for (const [number, hostId] of ['h-1', 'h-2', 'h-1'].entries()) {
      queue.add(delivery(hostId, number));
      queue.addOutput([{ hostId, chunk: { ...chunk(number), data: 'A'.repeat(10_000) } }]);
    }
    expect(queue.size).to.equal(3 * 4);
    expect(queue.drop(({ hostId }) => hostId === 'h-1').map(({ number }) => number)).to.deep.equal([0, 2]);
    expect(queue.size).to.equal(4);
    const batch = queue.take(0);
    expect(batch?.chunks.map(({ hostId }) => hostId)).to.deep.equal(['h-2']);
    expect(queue.size).to.equal(0);
  });

  it('tries many hosts together again once it has found the one that is refused', () => {
    const queue = createReportQueue<Numbered>(() => RETRY_MS);
    const all = Array.from({ length: 1_000 }, (_, number) => `h-${number}`);
    let committed = 0;
    const round = () => {
      for (const [number, hostId] of all.entries()) queue.add(delivery(hostId, number));
      return work(
        queue,
        0,
        ({ deliveries }) => !deliveries.some(({ hostId }) => hostId === 'h-700'),
        ({ deliveries }) => {
          committed += deliveries.length;
        },
      );
    };
    expect(round()).to.be.below(100);
    expect(committed).to.equal(999);
    round();
    expect(round(), 'one for all the others').to.equal(1);
    expect(committed).to.equal(3 * 999);
  });
});

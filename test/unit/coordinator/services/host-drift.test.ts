import { expect } from 'chai';
import { createHostDrift } from '../../../../coordinator/services/host-drift.ts';
import { openSqlite } from '../../../../coordinator/storage/sqlite.ts';
import { isAppError } from '../../../../shared/core/errors.ts';
import type { CoordinatorMessage, DriftAnswer } from '../../../../shared/protocol/messages.ts';
import { createFakeClock, settle } from '../../../support/fake-clock.ts';
import { seededRandomness } from '../../../support/fake-randomness.ts';
import { hostRow } from '../../../support/host-row.ts';

const group = {
  groupId: 'g-1',
  deploymentId: 'd-000000001',
  isInstalling: false,
  checkedFiles: 3,
  unrecordedFiles: 0,
  changedFiles: 1,
  files: [{ path: '/srv/a', change: 'content' }],
  isTruncated: false,
};

describe('the question about drift', () => {
  const databases: ReturnType<typeof openSqlite>[] = [];
  afterEach(async () => {
    for (const database of databases.splice(0)) await database.close();
  });

  async function aWorld(changes: { agentKind?: string; protocolMinor?: number | null; isSent?: boolean } = {}) {
    const database = openSqlite(':memory:');
    databases.push(database);
    await database.migrate();
    await database.query
      .insertInto('hosts')
      .values(
        hostRow({ id: 'h-1', name: 'web-1', agent_version: '0.0.9', agent_kind: changes.agentKind ?? 'drover' }, 0),
      )
      .execute();
    const clock = createFakeClock();
    const sent: Extract<CoordinatorMessage, { kind: 'find-drift' }>[] = [];
    const drift = createHostDrift({
      database,
      clock,
      randomness: seededRandomness(),
      protocolMinor: () => (changes.protocolMinor === undefined ? 1 : changes.protocolMinor),
      send(_hostId, message) {
        if (message.kind === 'find-drift') sent.push(message);
        return changes.isSent ?? true;
      },
    });
    const answer = (more: Partial<DriftAnswer> = {}) =>
      drift.answered('h-1', {
        kind: 'drift',
        requestId: sent.at(-1)?.requestId ?? '',
        groups: [group],
        isTruncated: false,
        ...more,
      });
    const asked = async () => {
      const asking = drift.of('web-1').then(
        (reply) => ({ reply, error: null }),
        (error: unknown) => ({ reply: null, error: isAppError(error) ? error : null }),
      );
      await settle();
      return asking;
    };
    return { clock, drift, sent, answer, asked: () => ({ outcome: asked() }) };
  }

  it('is answered by the host, under the names that the coordinator knows', async () => {
    const { asked, answer } = await aWorld();
    const { outcome } = asked();
    await settle();
    answer();
    expect((await outcome).reply).to.deep.equal({
      host: 'web-1',
      isTruncated: false,
      groups: [{ ...group, application: null, deploymentGroup: null }],
    });
  });

  it('goes to the host once, however many ask, and anew for who asks later', async () => {
    const { asked, answer, sent } = await aWorld();
    const outcomes = [asked().outcome, asked().outcome];
    await settle();
    expect(sent.length).to.equal(1);
    answer();
    for (const outcome of outcomes) expect((await outcome).reply?.groups.length).to.equal(1);

    const later = asked().outcome;
    await settle();
    expect(sent.length).to.equal(2);
    expect(sent[0]?.requestId).to.not.equal(sent[1]?.requestId);
    answer({ requestId: sent[0]?.requestId ?? '', groups: [] });
    answer();
    expect((await later).reply?.groups.length, 'a late answer to the first counts for nothing').to.equal(1);
  });

  it('waits 25 s, and no longer', async () => {
    const { asked, clock, answer } = await aWorld();
    const { outcome } = asked();
    let isOver = false;
    void outcome.then(() => (isOver = true));
    await settle();
    await clock.advance(24_999);
    expect(isOver).to.equal(false);
    await clock.advance(1);
    const { error } = await outcome;
    expect(error).to.include({ code: 'unavailable', message: 'web-1 did not answer within 25 s' });
    expect(error?.hint).to.contain('drover-agent drift');
    answer();
  });

  it('ends when the host loses its connection, when it cannot be sent, and when the coordinator stops', async () => {
    const { asked, drift } = await aWorld();
    for (const end of [() => drift.disconnected('h-1'), () => drift.stop()]) {
      const { outcome } = asked();
      await settle();
      end();
      expect((await outcome).error).to.include({ code: 'unavailable' });
    }
    const unsent = await aWorld({ isSent: false });
    expect((await unsent.asked().outcome).error).to.include({ code: 'unavailable' });
  });

  it('is refused at once for a host that is away, an older agent, another agent, and no host', async () => {
    const away = await aWorld({ protocolMinor: null });
    expect((await away.asked().outcome).error).to.include({
      code: 'unavailable',
      hint: 'See since when: drover hosts show web-1',
    });
    const older = await aWorld({ protocolMinor: 0 });
    const { error } = await older.asked().outcome;
    expect(error).to.include({ code: 'conflict', message: 'this agent cannot: web-1 has 0.0.9' });
    expect(older.sent).to.deep.equal([]);
    const other = await aWorld({ agentKind: 'codedeploy', protocolMinor: null });
    expect((await other.asked().outcome).error).to.include({ code: 'conflict' });
    const nobody = await older.drift.of('web-9').catch((failure: unknown) => failure);
    expect(isAppError(nobody, 'not_found')).to.equal(true);
  });

  it('tells why a host could not look', async () => {
    const { asked, answer } = await aWorld();
    const { outcome } = asked();
    await settle();
    answer({ groups: [], failure: 'read the manifest: EIO' });
    expect((await outcome).error?.message).to.equal('web-1 could not look: read the manifest: EIO');
  });
});

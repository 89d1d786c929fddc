import { expect } from 'chai';
import { createSessions, type Sessions } from '../../../../coordinator/services/sessions.ts';
import type { Database } from '../../../../coordinator/storage/database.ts';
import { openSqlite } from '../../../../coordinator/storage/sqlite.ts';
import { createFakeClock, type FakeClock } from '../../../support/fake-clock.ts';
import { seededRandomness } from '../../../support/fake-randomness.ts';
import { hostRow } from '../../../support/host-row.ts';
import { newKeys, proofOf, type RawHost } from '../../../support/raw-agent.ts';

describe('sessions of hosts', () => {
  let database: Database;
  let clock: FakeClock;
  let sessions: Sessions;
  beforeEach(async () => {
    database = openSqlite(':memory:');
    await database.migrate();
    clock = createFakeClock();
    sessions = createSessions({ database, clock, randomness: seededRandomness(), coordinatorId: 'c-1' });
  });
  afterEach(() => database.close());

  const addHost = async (name: string): Promise<RawHost> => {
    const host = { hostId: `h-${name}`, name, ...newKeys() };
    await database.query
      .insertInto('hosts')
      .values(hostRow({ id: host.hostId, name, public_key: host.publicKey }, clock.now()))
      .execute();
    return host;
  };
  const open = async (host: RawHost) => {
    const { nonce, coordinatorId } = sessions.createChallenge();
    const signature = proofOf(host, nonce, coordinatorId);
    return (await sessions.createSession({ hostId: host.hostId, nonce, signature })).sessionToken;
  };
  const nameOf = (token: string) => {
    const caller = sessions.authenticate(token, '192.0.2.1');
    return caller?.kind === 'host' ? caller.hostName : null;
  };

  it('are bounded for each host, its own oldest going first, and never cost those of connections or of others', async () => {
    const [web, monitor] = [await addHost('web-1'), await addHost('monitor')];
    const connection = sessions.openForConnection({ hostId: monitor.hostId, hostName: 'monitor' });
    const ofWeb = await open(web);
    const all: string[] = [];
    for (let i = 0; i < 100; i++) all.push(await open(monitor));
    expect(all.filter((token) => nameOf(token) !== null)).to.deep.equal(all.slice(-64));
    expect(nameOf(connection)).to.equal('monitor');
    expect(nameOf(ofWeb)).to.equal('web-1');
  });

  it('end after an hour, with their connection, or with their host', async () => {
    const [web, other] = [await addHost('web-1'), await addHost('web-2')];
    const connection = sessions.openForConnection({ hostId: web.hostId, hostName: 'web-1' });
    const early = await open(web);
    await clock.advance(3_600_000);
    expect(nameOf(early)).to.equal(null);
    expect(nameOf(connection)).to.equal('web-1');
    const late = await open(web);
    const ofOther = await open(other);
    sessions.sweep();
    sessions.close(connection);
    expect([connection, late, ofOther].map(nameOf)).to.deep.equal([null, 'web-1', 'web-2']);
    const again = sessions.openForConnection({ hostId: web.hostId, hostName: 'web-1' });
    sessions.closeAllOf(web.hostId);
    expect([again, late, ofOther].map(nameOf)).to.deep.equal([null, null, 'web-2']);
  });
});

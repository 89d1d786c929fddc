import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { join } from 'node:path';
import BetterSqlite3 from 'better-sqlite3';
import { expect } from 'chai';
import { startTestCoordinator, type TestCoordinator, textAt } from '../support/coordinator.ts';
import { sendPlainlySigned } from '../support/signed-requests.ts';

interface Logged {
  level: 'debug' | 'info' | 'warn' | 'error';
  fields: Record<string, unknown>;
  message: string;
}

const MAX_BUNDLE_BYTES = 1_024;

/** Whoever is told a request's id looks for it in the log. */
describe('requests that fail, in the log', () => {
  let coordinator: TestCoordinator;
  let logged: Logged[] = [];
  beforeEach(async () => {
    logged = [];
    const at = (level: Logged['level']) => (fields: object, message: string) =>
      void logged.push({ level, fields: { ...fields }, message });
    const logger = { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error'), child: () => logger };
    coordinator = await startTestCoordinator({ limits: { bundleBytes: MAX_BUNDLE_BYTES } }, logger);
  });
  afterEach(() => coordinator.remove());

  /** What writes to the table fails inside from now on. */
  function breakTable(table: string): void {
    const database = new BetterSqlite3(join(coordinator.dataDirectory, 'drover.db'));
    database.exec(`CREATE TRIGGER broken BEFORE INSERT ON ${table} BEGIN SELECT RAISE(ABORT, 'it is broken'); END`);
    database.close();
  }

  const toldOf = (requestId: string) => logged.filter(({ fields }) => fields['requestId'] === requestId);

  it('are there by their id when they had a body, too', async () => {
    breakTable('applications');
    const { status, body } = await coordinator.call('POST', '/v1/applications', { body: { name: 'web' } });
    expect(status).to.equal(500);
    const [told] = toldOf(textAt(body, 'requestId'));
    expect(told).to.deep.include({ level: 'error', message: 'request failed' });
    expect(String(told?.fields['err'])).to.contain('it is broken');
  });

  it('are there of CodeDeploy’s API, too', async () => {
    const { body: who } = await coordinator.call('GET', '/v1/whoami');
    const made = await coordinator.call('POST', '/v1/access-keys', { body: { operator: textAt(who, 'name') } });
    const key = {
      accessKeyId: textAt(made.body, 'id'),
      secretAccessKey: textAt(made.body, 'secretAccessKey'),
    };
    breakTable('applications');
    const { status } = await sendPlainlySigned(
      { url: coordinator.url, key, hangsAfterMs: 10_000 },
      'CreateApplication',
      JSON.stringify({ applicationName: 'web' }),
    );
    expect(status).to.equal(500);
    expect(logged.filter(({ level }) => level === 'error').map(({ message }) => message)).to.deep.equal([
      'request failed',
    ]);
  });

  it('are there when the rest of the body was left unread', async () => {
    await coordinator.call('POST', '/v1/applications', { body: { name: 'web' } });
    const request = httpRequest(
      `${coordinator.url}/v1/applications/web/revisions/upload?bundleType=tar&digest=${'0'.repeat(64)}`,
      {
        method: 'POST',
        headers: { authorization: `Bearer ${coordinator.adminToken}`, 'content-type': 'application/octet-stream' },
      },
    );
    request.on('error', () => {});
    request.write(Buffer.alloc(2 * MAX_BUNDLE_BYTES));
    const [response] = await once(request, 'response');
    expect(response.statusCode).to.equal(413);
    expect(toldOf(response.headers['x-request-id']).map(({ message }) => message)).to.deep.equal(['request refused']);
    request.destroy();
  });

  it('are there at debug when they were refused', async () => {
    const { body } = await coordinator.call('POST', '/v1/applications', { body: { name: '' } });
    expect(toldOf(textAt(body, 'requestId')).map(({ level, message }) => ({ level, message }))).to.deep.equal([
      { level: 'debug', message: 'request refused' },
    ]);
  });

  it('are none of ours when the caller hung up', async () => {
    const request = httpRequest(`${coordinator.url}/v1/applications`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${coordinator.adminToken}`,
        'content-type': 'application/json',
        'content-length': '100',
      },
    });
    request.on('error', () => {});
    request.write('{"name":');
    // It is being read by then.
    while ((await coordinator.call('GET', '/metrics', { token: null })).status !== 200);
    request.destroy();
    const gone = () => logged.find(({ message }) => message === 'caller has gone');
    while (gone() === undefined) await new Promise((resolve) => setImmediate(resolve));
    expect(gone()?.level).to.equal('debug');
    expect(logged.filter(({ level }) => level === 'warn' || level === 'error')).to.deep.equal([]);
  });
});

import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import { expect } from 'chai';
import { createBundleDownload } from '../../agent/connection/bundle-download.ts';
import { createHttpClient, type HttpClient } from '../../agent/connection/http-client.ts';
import { isAppError } from '../../shared/core/errors.ts';
import { createFakeClock, type FakeClock } from '../support/fake-clock.ts';
import { until } from '../support/real-herd.ts';

describe('the download of a bundle', () => {
  let clock: FakeClock;
  let server: Server;
  let http: HttpClient;
  let answer: ServerResponse;

  beforeEach(async () => {
    clock = createFakeClock();
    server = createServer((_request, response) => {
      answer = response;
      response.writeHead(200, { 'content-length': 100 });
      response.write('x'.repeat(40));
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    if (typeof address !== 'object' || address === null) throw new Error('a TCP server has an address');
    http = createHttpClient({ coordinatorUrl: `http://127.0.0.1:${address.port}`, ca: null, clock });
  });
  afterEach(async () => {
    http.close();
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });

  /** Reads to the end, counting; what it ended with is in `outcome`. */
  async function read() {
    const download = createBundleDownload({ http, clock, sessionToken: async () => 'token' });
    const opened = await download.open({ digest: 'd', offset: 0, signal: new AbortController().signal });
    const state = { bytes: 0, outcome: null as unknown };
    void (async () => {
      for await (const chunk of opened.chunks) state.bytes += chunk.length;
      return 'whole';
    })()
      .catch((error: unknown) => error)
      .then((outcome) => {
        state.outcome = outcome;
      });
    await until('the first half is here', 5_000, () => state.bytes === 40);
    return state;
  }

  it('is given up when nothing has come for half a minute, so that another attempt can go on', async () => {
    const state = await read();
    await clock.advance(29_000);
    expect(state.outcome).to.equal(null);
    await clock.advance(1_000);
    await until('it has ended', 5_000, () => state.outcome !== null);
    expect(isAppError(state.outcome, 'unavailable'), String(state.outcome)).to.equal(true);
    expect(String(state.outcome)).to.contain('30 s');
  });

  it('may take as long as it likes while something comes', async () => {
    const state = await read();
    for (let bytes = 50; bytes <= 100; bytes += 10) {
      await clock.advance(20_000);
      answer.write('y'.repeat(10));
      await until('it is here', 5_000, () => state.bytes === bytes);
    }
    await until('it has ended', 5_000, () => state.outcome !== null);
    expect(state.outcome).to.equal('whole');
  });
});

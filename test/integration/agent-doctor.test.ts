import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer, request } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { WebSocketServer } from 'ws';
import { parseConfig } from '../../agent/config.ts';
import { createHttpClient } from '../../agent/connection/http-client.ts';
import { createWebSocketTransport } from '../../agent/connection/websocket.ts';
import { layoutOf } from '../../agent/deployment/layout.ts';
import { examine } from '../../agent/doctor/doctor.ts';
import { createNodeDisk } from '../../agent/host/node-disk.ts';
import { createNodeProcessRunner } from '../../agent/host/node-process-runner.ts';
import { ownAccount } from '../../agent/host/own-account.ts';
import { isStateDirectoryClaimed } from '../../agent/host/single-instance.ts';
import type { Clock } from '../../shared/core/clock.ts';
import { systemClock } from '../../shared/core/system-clock.ts';
import { DroverClient } from '../../shared/sdk/drover-client.ts';
import { AgentProcess } from '../support/agent-process.ts';
import { makeCertificate } from '../support/certificates.ts';
import { startTestCoordinator, type TestCoordinator } from '../support/coordinator.ts';
import { readTree } from '../support/tree.ts';

const DAY_MS = 86_400_000;
const daysFromNow = (days: number) => new Date(Date.now() + days * DAY_MS);

interface Found {
  code: number | null;
  checks: { name: string; result: string; text: string; remedy: string | null }[];
}

describe('drover-agent doctor', function () {
  this.timeout(60_000);
  let directory: string;
  let coordinator: TestCoordinator;
  let agent: AgentProcess;
  let caFile: string;
  let client: DroverClient;

  before(async function () {
    directory = mkdtempSync(join(tmpdir(), 'drover-doctor-'));
    const certificate = makeCertificate(directory, { from: daysFromNow(-1), to: daysFromNow(30) });
    if (certificate === null) {
      // Said aloud: there is no TLS to look at without it.
      if (this.test !== undefined) this.test.title += ' (needs openssl)';
      this.skip();
    }
    caFile = certificate.certFile;
    coordinator = await startTestCoordinator({ tls: certificate });
    client = new DroverClient({ url: coordinator.url, token: coordinator.adminToken, caFile });
  });
  beforeEach(() => {
    agent = anAgent({});
  });
  afterEach(() => agent.remove());
  after(async () => {
    await coordinator?.remove();
    rmSync(directory, { recursive: true, force: true });
  });

  function anAgent(config: object): AgentProcess {
    const itsCoordinator = {
      url: coordinator.url,
      until: () => Promise.reject(new Error('not known here')),
      isConnected: () => false,
    };
    return new AgentProcess(itsCoordinator, { caFile, ...config });
  }

  async function enrolled(one = agent): Promise<AgentProcess> {
    const token = await client.createJoinToken({});
    await one.command('enrol', '--coordinator', coordinator.url, '--name', newName(), '--token', token.secret);
    return one;
  }

  async function doctor(one = agent): Promise<Found> {
    const { code, stdout } = await one.command('doctor', '--json');
    return { code, checks: JSON.parse(stdout).checks };
  }
  const resultsOf = ({ checks }: Found) => Object.fromEntries(checks.map(({ name, result }) => [name, result]));
  const theOne = ({ checks }: Found, name: string) => {
    const check = checks.find((each) => each.name === name);
    if (check === undefined) throw new Error(`no ${name} in ${JSON.stringify(checks)}`);
    return check;
  };
  const rewriteConfig = (changes: object) => {
    const path = join(agent.directory, 'agent.yaml');
    writeFileSync(path, JSON.stringify({ ...JSON.parse(readFileSync(path, 'utf8')), ...changes }));
  };

  it('finds nothing wrong with an enrolled host and its coordinator, and changes nothing', async () => {
    await enrolled();
    const before = readTree(agent.stateDirectory);
    const found = await doctor();
    expect(found.code).to.equal(0);
    expect(resultsOf(found)).to.include({
      config: 'fine',
      state: 'fine',
      journal: 'fine',
      agent: 'warning',
      key: 'fine',
      reach: 'fine',
      clock: 'fine',
      tls: 'fine',
      frames: 'fine',
      identity: 'fine',
    });
    expect(theOne(found, 'tls').text).to.match(/127\.0\.0\.1.*\((29|30) days\)/);
    expect(readTree(agent.stateDirectory)).to.deep.equal(before);
    const { code, stdout } = await agent.command('doctor');
    expect(code).to.equal(0);
    expect(stdout).to.match(/^warning agent {4}none works on .*\n {17}Start it/m);
  });

  it('runs beside the agent and sees that it works', async () => {
    await enrolled();
    agent.start();
    while (theOne(await doctor(), 'agent').result !== 'fine') expect(agent.log).to.not.contain('cannot go on');
    const second = await agent.command('run');
    expect(second.code, 'the doctor has left the directory to the agent').to.equal(3);
  });

  it('tells why a copied host is refused, whose key is in order', async () => {
    await enrolled();
    agent.start();
    while (!agent.log.includes('connected to the coordinator')) await new Promise((resolve) => setTimeout(resolve, 20));
    const copy = anAgent({});
    try {
      mkdirSync(copy.stateDirectory);
      copyFileSync(join(agent.stateDirectory, 'identity.json'), join(copy.stateDirectory, 'identity.json'));
      copy.start();
      let found = await doctor(copy);
      while (!theOne(found, 'agent').text.includes('not connected')) found = await doctor(copy);
      expect(theOne(found, 'agent')).to.include({ result: 'warning' });
      expect(theOne(found, 'agent').text).to.match(/host_cloned/);
      expect(resultsOf(found)).to.include({ frames: 'fine', identity: 'fine' });
    } finally {
      await copy.remove();
    }
  });

  it('finds a configuration with an unknown key, and still looks at what does not depend on it', async () => {
    rewriteConfig({ logLevl: 'info' });
    const found = await doctor();
    expect(found.code).to.equal(1);
    expect(theOne(found, 'config')).to.include({ result: 'wrong' });
    expect(theOne(found, 'config').text).to.contain('logLevl is no setting');
    expect(theOne(found, 'config').remedy).to.match(/^Did you mean logLevel\? Accepted here: /);
    expect(found.checks.map(({ name }) => name)).to.deep.equal(['config', 'rights', 'tools', 'systemd']);
  });

  it('finds a host that is not enrolled', async () => {
    rewriteConfig({ coordinatorUrl: coordinator.url });
    const found = await doctor();
    expect(found.code).to.equal(1);
    expect(resultsOf(found)).to.include({ state: 'wrong', key: 'wrong', reach: 'fine', tls: 'fine' });
  });

  it('finds a key that everybody may read', async () => {
    await enrolled();
    const path = join(agent.stateDirectory, 'identity.json');
    chmodSync(path, 0o644);
    const found = await doctor();
    expect(found.code).to.equal(1);
    expect(theOne(found, 'key')).to.include({ result: 'wrong' });
    expect(theOne(found, 'key').remedy).to.contain(`chmod 600 ${path}`);
    expect(statSync(path).mode & 0o777, 'it mends nothing itself').to.equal(0o644);
  });

  it('finds a damaged journal', async () => {
    await enrolled();
    writeFileSync(join(agent.stateDirectory, 'journal'), 'nonsense\nmore of it\n');
    const found = await doctor();
    expect(found.code).to.equal(1);
    expect(theOne(found, 'journal').text).to.match(/unreadable at byte 0/);
  });

  it('finds a reserve that is larger than what is free', async () => {
    await enrolled();
    rewriteConfig({ limits: { reserveBytes: Number.MAX_SAFE_INTEGER } });
    expect(theOne(await doctor(), 'disk').result).to.equal('wrong');
  });

  it('finds a coordinator that is down, in the words of the network', async () => {
    await enrolled();
    const server = createTcpServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    // An address at which nobody listens any more.
    const { port } = server.address() as AddressInfo;
    await new Promise((resolve) => server.close(resolve));
    rewriteConfig({ coordinatorUrl: `https://127.0.0.1:${port}` });
    const found = await doctor();
    expect(found.code).to.equal(1);
    expect(theOne(found, 'reach').text).to.match(/connection refused/);
    expect(found.checks.map(({ name }) => name)).to.not.include.members(['tls', 'clock', 'frames']);
  });

  it('finds a name that nobody has', async () => {
    await enrolled();
    rewriteConfig({ coordinatorUrl: 'https://coordinator.invalid' });
    const found = await doctor();
    expect(found.code).to.equal(1);
    expect(theOne(found, 'reach').text).to.match(/no such host name|the name service does not answer/);
  });

  it('finds an authority that is not trusted, without showing its proof to it', async () => {
    await enrolled();
    rewriteConfig({ caFile: null });
    const found = await doctor();
    expect(found.code).to.equal(1);
    expect(theOne(found, 'tls').text).to.match(/not signed by an authority.*DEPTH_ZERO_SELF_SIGNED_CERT/);
    expect(found.checks.map(({ name }) => name)).to.not.include('identity');
  });

  it('finds an expired certificate with its day, and reads the clock all the same', async () => {
    const certificate = makeCertificate(directory, { from: new Date('2020-01-01'), to: new Date('2020-01-02') });
    if (certificate === null) throw new Error('openssl was there a moment ago');
    const expired = await startTestCoordinator({ tls: certificate });
    try {
      await enrolled();
      rewriteConfig({ coordinatorUrl: expired.url, caFile: certificate.certFile });
      const found = await doctor();
      expect(found.code).to.equal(1);
      expect(resultsOf(found)).to.include({ reach: 'fine', clock: 'fine', tls: 'wrong' });
      expect(theOne(found, 'tls').text).to.match(/expired on 2020-01-02/);
    } finally {
      await expired.remove();
    }
  });

  it('finds another coordinator at the address', async () => {
    await enrolled();
    const other = await startTestCoordinator();
    try {
      rewriteConfig({ coordinatorUrl: other.url });
      const found = await doctor();
      expect(found.code).to.equal(1);
      expect(theOne(found, 'identity').text).to.contain(other.coordinatorId);
    } finally {
      await other.remove();
    }
  });

  it('finds a coordinator that has forgotten the host', async () => {
    await enrolled();
    const { hostId } = JSON.parse(readFileSync(join(agent.stateDirectory, 'identity.json'), 'utf8')).enrolment;
    await client.forgetHost({ host: hostId });
    const found = await doctor();
    expect(found.code).to.equal(1);
    expect(theOne(found, 'identity').result).to.equal('wrong');
  });

  it('finds something else than a coordinator at the address', async () => {
    await enrolled();
    const server = createServer((_request, response) => response.writeHead(404).end('no'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    try {
      rewriteConfig({ coordinatorUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
      const found = await doctor();
      expect(found.code).to.equal(1);
      expect(theOne(found, 'reach').text).to.match(/answers 404/);
      expect(theOne(found, 'frames').result).to.equal('wrong');
    } finally {
      await new Promise((resolve) => server.close(resolve));
    }
  });

  it('warns when a proxy lets no WebSocket through and long poll has to do', async () => {
    const plain = await startTestCoordinator();
    // Without a handler of upgrades Node takes them for ordinary requests, as many a proxy does.
    const proxy = createServer((incoming, response) => {
      const { method, headers, url } = incoming;
      const { connection: _connection, upgrade: _upgrade, ...rest } = headers;
      const outgoing = request(`${plain.url}${url}`, { method, headers: rest }, (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(response);
      });
      incoming.pipe(outgoing);
    });
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    try {
      await enrolled();
      rewriteConfig({ coordinatorUrl: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}` });
      const found = await doctor();
      expect(theOne(found, 'frames')).to.include({ result: 'warning' });
      expect(theOne(found, 'frames').text).to.match(/^by long poll, since no WebSocket works: .* answered 404/);
    } finally {
      proxy.closeAllConnections();
      await new Promise((resolve) => proxy.close(resolve));
      await plain.remove();
    }
  });

  it('warns when a proxy opens WebSockets and passes nothing on', async () => {
    const plain = await startTestCoordinator();
    const proxy = createServer((incoming, response) => {
      const { method, headers, url } = incoming;
      const outgoing = request(`${plain.url}${url}`, { method, headers }, (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(response);
      });
      incoming.pipe(outgoing);
    });
    const webSockets = new WebSocketServer({ server: proxy });
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    try {
      await enrolled();
      const coordinatorUrl = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
      const hurried = {
        ...systemClock,
        setTimer: (ms: number, fire: () => void) => systemClock.setTimer(ms / 10, fire),
      };
      const checks = await examineAt({ coordinatorUrl, clock: hurried });
      const found = theOne({ code: null, checks }, 'frames');
      expect(found).to.include({ result: 'warning' });
      expect(found.text).to.equal('by long poll, since no WebSocket works: it opens, and brings nothing');
    } finally {
      for (const client of webSockets.clients) client.terminate();
      proxy.closeAllConnections();
      await new Promise((resolve) => proxy.close(resolve));
      await plain.remove();
    }
  });

  /** In this process, so that the clock can be another one. */
  function examineAt({ coordinatorUrl = null, clock }: { coordinatorUrl?: string | null; clock: Clock }) {
    const processes = createNodeProcessRunner({ clock: systemClock, toolEnvironment: { PATH: '/usr/bin:/bin' } });
    return examine({
      disk: createNodeDisk(),
      run: processes.run,
      clock,
      account: ownAccount(),
      configPath: join(agent.directory, 'agent.yaml'),
      loadConfig: async () => ({
        config: parseConfig({ stateDirectory: agent.stateDirectory, caFile, coordinatorUrl }, 'test'),
        layout: layoutOf(agent.stateDirectory),
      }),
      isClaimed: isStateDirectoryClaimed,
      toldStatus: async () => null,
      readCa: async () => readFileSync(caFile, 'utf8'),
      connections: (url, ca) => ({
        http: createHttpClient({ coordinatorUrl: url, ca, clock: systemClock }),
        websocket: createWebSocketTransport({ coordinatorUrl: url, ca }),
      }),
    });
  }

  it('tells how far a clock that is handed in is from the coordinator’s', async () => {
    await enrolled();
    const aheadMs = 40 * DAY_MS;
    const checks = await examineAt({ clock: { ...systemClock, now: () => systemClock.now() + aheadMs } });
    const found = { code: null, checks };
    expect(theOne(found, 'clock').result).to.equal('warning');
    const seconds = Number(/this host is (\d+) s ahead/.exec(theOne(found, 'clock').text)?.[1]);
    expect(seconds).to.be.within(aheadMs / 1_000 - 5, aheadMs / 1_000 + 5);
    expect(theOne(found, 'tls').result, 'by that clock the certificate has ended').to.equal('warning');
    expect(readdirSync(agent.stateDirectory)).to.deep.equal(['identity.json']);
  });
});

let lastName = 0;
function newName(): string {
  lastName++;
  return `doctor-${lastName}`;
}

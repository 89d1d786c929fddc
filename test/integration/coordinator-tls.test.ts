import { once } from 'node:events';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { expect } from 'chai';
import { WebSocket } from 'ws';
import { isAppError } from '../../shared/core/errors.ts';
import { type Logger, silentLogger } from '../../shared/core/logger.ts';
import { makeCertificate } from '../support/certificates.ts';
import { CliProcess } from '../support/cli-process.ts';
import { startTestCoordinator, type TestCoordinator } from '../support/coordinator.ts';

describe('the coordinator with TLS', () => {
  let directory: string;
  let coordinator: TestCoordinator;
  let ca: string;
  let certFile: string;
  let keyFile: string;
  before(async function () {
    directory = mkdtempSync(join(tmpdir(), 'drover-tls-'));
    const certificate = makeCertificate(directory, { from: new Date(), to: new Date(Date.now() + 86_400_000) });
    // Without openssl there is no certificate to serve with.
    if (certificate === null) this.skip();
    ({ certFile, keyFile } = certificate);
    ca = readFileSync(certFile, 'utf8');
    coordinator = await startTestCoordinator({ tls: certificate });
  });
  after(async () => {
    await coordinator?.remove();
    rmSync(directory, { recursive: true, force: true });
  });

  it('serves the API to those who trust its certificate', async () => {
    expect(coordinator.url).to.match(/^https:/);
    const asked = request(`${coordinator.url}/v1/whoami`, {
      ca,
      headers: { authorization: `Bearer ${coordinator.adminToken}` },
    }).end();
    const [response] = await once(asked, 'response');
    expect(response.statusCode).to.equal(200);
    response.resume();
    const untrusting = request(`${coordinator.url}/v1/whoami`).end();
    const [error] = await once(untrusting, 'error');
    expect(error.code).to.equal('DEPTH_ZERO_SELF_SIGNED_CERT');
  });

  it('serves agents by the same certificate', async () => {
    const socket = new WebSocket(`${coordinator.url.replace('https', 'wss')}/v1/agents/connect`, { ca });
    const [frame] = await once(socket, 'message');
    expect(JSON.parse(String(frame))).to.include({ kind: 'challenge', coordinatorId: coordinator.coordinatorId });
    socket.close();
    await once(socket, 'close');
  });

  it('shows a certificate that was renewed once it has read it anew, and goes on with the old one when that does not serve', async () => {
    const valid = { from: new Date(), to: new Date(Date.now() + 86_400_000) };
    const [first, second] = [makeCertificate(directory, valid), makeCertificate(directory, valid)];
    if (first === null || second === null) throw new Error('openssl made one before');
    const renewed = await startTestCoordinator({ tls: first });
    const answers = async (trusted: string) => {
      const asked = request(`${renewed.url}/install/ca.crt`, { ca: trusted, agent: false }).end();
      const [response] = await once(asked, 'response');
      return text(response);
    };
    try {
      const [oldOne, newOne] = [readFileSync(first.certFile, 'utf8'), readFileSync(second.certFile, 'utf8')];
      const standing = new WebSocket(`${renewed.url.replace('https', 'wss')}/v1/agents/connect`, { ca: oldOne });
      await once(standing, 'message');
      // A renewal that has written one of the two files so far.
      copyFileSync(second.certFile, first.certFile);
      const half = await renewed.reloadCertificate().catch((error: unknown) => error);
      expect(isAppError(half, 'invalid')).to.equal(true);
      expect(await answers(oldOne)).to.equal(oldOne);

      copyFileSync(second.keyFile, first.keyFile);
      await renewed.reloadCertificate();
      expect(await answers(newOne)).to.equal(newOne);
      const [refused] = await once(request(renewed.url, { ca: oldOne, agent: false }).end(), 'error');
      expect(refused.code).to.equal('DEPTH_ZERO_SELF_SIGNED_CERT');
      expect(standing.readyState).to.equal(WebSocket.OPEN);
      standing.close();
      await once(standing, 'close');
    } finally {
      await renewed.remove();
    }
  });

  it('tells when its certificate ends, and warns of an end that is near', async () => {
    const warnings: string[] = [];
    const logger: Logger = {
      ...silentLogger,
      child: () => logger,
      warn: (_fields, phrase) => {
        warnings.push(phrase);
      },
    };
    const at = Math.floor(Date.now() / 1_000) * 1_000 + 86_400_000;
    const certificate = makeCertificate(directory, { from: new Date(), to: new Date(at) });
    if (certificate === null) throw new Error('openssl made one before');
    const ending = await startTestCoordinator({ tls: certificate }, logger);
    try {
      expect(warnings).to.deep.equal(['the certificate expires soon']);
      const asked = request(`${ending.url}/metrics`, { ca: readFileSync(certificate.certFile), agent: false }).end();
      const [response] = await once(asked, 'response');
      expect(await text(response)).to.match(
        new RegExp(`^drover_certificate_expires_timestamp_seconds ${at / 1_000}$`, 'm'),
      );
    } finally {
      await ending.remove();
    }
  });

  it('is told by `drover doctor` to have a certificate that ends soon, or is good for long', async () => {
    const certificate = makeCertificate(directory, { from: new Date(), to: new Date(Date.now() + 90.5 * 86_400_000) });
    if (certificate === null) throw new Error('openssl made one before');
    const lasting = await startTestCoordinator({ tls: certificate });
    const askDoctor = async ({ url, adminToken }: TestCoordinator, caFile: string) => {
      const cli = await CliProcess.create(url);
      const env = { DROVER_TOKEN: adminToken, DROVER_CA_FILE: caFile };
      return cli.run(['doctor'], { env }).finally(() => cli.remove());
    };
    try {
      const good = await askDoctor(lasting, certificate.certFile);
      expect(good.stdout).to.match(/^fine +tls +the certificate is good until \d{4}-\d\d-\d\d, 90 days more$/m);
      const ending = await askDoctor(coordinator, certFile);
      expect(ending.exit).to.equal(0);
      expect(ending.stdout).to.match(
        /^look +tls +the certificate is good until [-\d]+, 0 days more\n +Renew the certificate/m,
      );
    } finally {
      await lasting.remove();
    }
  });

  it('does not start with files that it cannot read or that are no certificate', async () => {
    const failure = (certFile: string) =>
      startTestCoordinator({ tls: { certFile, keyFile } }).then(
        () => null,
        (error: unknown) => error,
      );
    const missing = await failure(join(directory, 'none.pem'));
    expect(isAppError(missing, 'invalid')).to.equal(true);
    writeFileSync(join(directory, 'no.pem'), 'not a certificate');
    const wrong = await failure(join(directory, 'no.pem'));
    expect(isAppError(wrong, 'invalid')).to.equal(true);
    expect(wrong).to.have.property('message').that.contains('no.pem');
  });
});

import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { at, startTestCoordinator, type TestCoordinator, textAt } from '../support/coordinator.ts';
import { enrolHost } from '../support/raw-agent.ts';

const SECRET_FILE = 'access-key-secret';

describe('access keys', () => {
  let coordinator: TestCoordinator;
  before(async () => {
    coordinator = await startTestCoordinator();
    await enrolHost(coordinator, 'web-1');
  });
  after(() => coordinator.remove());

  const create = (body: object) => coordinator.call('POST', '/v1/access-keys', { body });
  const ids = async () => {
    const { body } = await coordinator.call('GET', '/v1/access-keys');
    return (at(body, 'items') as { id: string }[]).map((key) => key.id);
  };

  it('are made for an operator or a host, and tell their secret once', async () => {
    const made = await create({ operator: 'first-operator' });
    expect(made.status).to.equal(201);
    expect(textAt(made.body, 'id')).to.match(/^DROV[A-Z0-9]{16}$/);
    expect(textAt(made.body, 'secretAccessKey')).to.have.length(40);
    expect(at(made.body, 'sessionToken')).to.equal(null);
    const temporary = await create({ host: 'web-1', session: true, validForSeconds: 60 });
    expect(textAt(temporary.body, 'id')).to.match(/^DROS[A-Z0-9]{16}$/);
    expect(textAt(temporary.body, 'sessionToken')).to.have.length.above(30);
    expect(at(temporary.body, 'holder')).to.deep.equal({ kind: 'host', name: 'web-1' });

    const listed = await coordinator.call('GET', '/v1/access-keys');
    expect(JSON.stringify(listed.body)).not.to.contain(textAt(made.body, 'secretAccessKey'));
    expect(await ids()).to.have.members([textAt(made.body, 'id'), textAt(temporary.body, 'id')]);
    const audit = await coordinator.call('GET', `/v1/audit?subject=${textAt(made.body, 'id')}`);
    expect(at(audit.body, 'items.0')).to.deep.include({ action: 'access-key.create', actor: 'first-operator' });
    expect(JSON.stringify(audit.body)).not.to.contain(textAt(made.body, 'secretAccessKey'));
  });

  it('name a holder that is there, and one only', async () => {
    const missing = await create({ operator: 'first-operater' });
    expect(missing.status).to.equal(404);
    expect(textAt(missing.body, 'hint')).to.equal('Did you mean first-operator?');
    expect((await create({ host: 'web-9' })).status).to.equal(404);
    expect((await create({})).status).to.equal(400);
    expect((await create({ host: 'web-1', operator: 'first-operator' })).status).to.equal(400);
  });

  it('go with their holder, or alone, and leave a record', async () => {
    const token = await coordinator.call('POST', '/v1/operator-tokens', { body: { name: 'ci', role: 'deployer' } });
    await enrolHost(coordinator, 'web-2');
    const before = await ids();
    const alone = textAt((await create({ operator: 'ci' })).body, 'id');
    await create({ operator: 'ci' });
    await create({ host: 'web-2' });
    expect(await ids()).to.have.length(before.length + 3);
    expect((await coordinator.call('DELETE', `/v1/access-keys/${alone}`)).status).to.equal(204);
    expect((await coordinator.call('DELETE', `/v1/access-keys/${alone}`)).status).to.equal(404);
    await coordinator.call('DELETE', `/v1/operator-tokens/${textAt(token.body, 'id')}`);
    await coordinator.call('DELETE', '/v1/hosts/web-2');
    expect(await ids()).to.have.members(before);
    const audit = await coordinator.call('GET', `/v1/audit?subject=${alone}`);
    expect(at(audit.body, 'items.0.action')).to.equal('access-key.delete');
  });

  it('leave no secret in the database: it is computed from a file that its owner alone may read', async () => {
    const secret = textAt((await create({ operator: 'first-operator' })).body, 'secretAccessKey');
    const path = join(coordinator.dataDirectory, SECRET_FILE);
    expect((await stat(path)).mode & 0o777).to.equal(0o600);
    const before = await readFile(path, 'utf8');
    await coordinator.restart();
    expect(await readFile(path, 'utf8')).to.equal(before);
    for (const name of await readdir(coordinator.dataDirectory)) {
      if (!name.startsWith('drover.db')) continue;
      expect((await readFile(join(coordinator.dataDirectory, name))).includes(secret), name).to.equal(false);
    }
  });

  it('stop the start when that file is damaged, rather than make another', async () => {
    const path = join(coordinator.dataDirectory, SECRET_FILE);
    const good = await readFile(path, 'utf8');
    await coordinator.stop();
    await writeFile(path, good.slice(0, 20));
    const failure = await coordinator.restart().catch((error: unknown) => error);
    expect(String(failure)).to.contain('is damaged: it should have 64 hex digits');
    await writeFile(path, good);
    await coordinator.restart();
  });
});

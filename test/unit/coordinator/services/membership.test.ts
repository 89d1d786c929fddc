import { expect } from 'chai';
import { sql } from 'kysely';
import type { Caller } from '../../../../coordinator/auth/caller.ts';
import { type CommandHost, CommandWorld } from '../../../support/command-world.ts';

const ADMIN: Caller = { kind: 'operator', name: 'ann', role: 'admin', remoteAddress: '127.0.0.1' };
const WEB = { tagFilters: [{ type: 'KEY_AND_VALUE', key: 'role', value: 'web' }] };

/** What a host is and the groups that it is of, while nothing can be written of the latter. */
describe('a change that moves hosts between groups', () => {
  let world: CommandWorld;
  let host: CommandHost;

  beforeEach(async () => {
    world = await CommandWorld.start();
    host = await world.addHost('web-1', { role: 'db' });
    await sql`CREATE TRIGGER full BEFORE INSERT ON group_hosts BEGIN SELECT RAISE(ABORT, 'disk full'); END`.execute(
      world.database.query,
    );
  });
  afterEach(() => world.close());

  const thereIsRoom = () => sql`DROP TRIGGER full`.execute(world.database.query);
  const refusalOf = async (work: Promise<unknown>) =>
    expect(await world.until(work).catch(String)).to.contain('disk full');
  async function members(): Promise<string[]> {
    const { items } = await world.core.services.deploymentGroups.listHosts(
      { application: 'app', group: 'web' },
      { limit: 10 },
    );
    return items.map(({ hostName }) => hostName);
  }

  it('is made as a whole or not at all: tags of a host', async () => {
    const tag = () => world.core.services.hosts.update('web-1', { tags: { role: 'web' } }, ADMIN);
    await refusalOf(tag());
    expect((await world.host(host)).tags).to.deep.equal({ role: 'db' });
    await thereIsRoom();
    await world.until(tag());
    expect(await members()).to.deep.equal(['web-1']);
  });

  it('is made as a whole or not at all: tags by way of AWS', async () => {
    const change = { set: { role: 'web' }, remove: [] };
    await refusalOf(world.core.services.onPremisesInstances.changeTags(['web-1'], change, ADMIN));
    expect((await world.host(host)).tags).to.deep.equal({ role: 'db' });
  });

  it('is made as a whole or not at all: a host that is registered, which can be asked for again then', async () => {
    const { onPremisesInstances } = world.core.services;
    const register = () =>
      onPremisesInstances.register(
        { name: 'web-2', iamArn: 'arn:aws:iam::123456789012:user/web-2', tags: { role: 'web' } },
        ADMIN,
      );
    await refusalOf(register());
    await thereIsRoom();
    await world.until(register());
    expect(await members()).to.deep.equal(['web-2']);
  });

  it('is made as a whole or not at all: what a group selects', async () => {
    const { deploymentGroups } = world.core.services;
    const selection = { ...WEB, tagFilters: [{ ...WEB.tagFilters[0], value: 'db' }] };
    const select = () => deploymentGroups.update({ application: 'app', group: 'web' }, { selection } as never, ADMIN);
    await refusalOf(select());
    const { selection: now } = await deploymentGroups.get({ application: 'app', group: 'web' });
    expect(now.tagFilters).to.deep.equal(WEB.tagFilters);
  });
});

/** An on-premises instance is a host, and what else is to be there with it, or when it is gone. */
describe('an on-premises instance', () => {
  let world: CommandWorld;
  beforeEach(async () => {
    world = await CommandWorld.start();
  });
  afterEach(() => world.close());

  async function whileFull(table: 'access_keys' | 'deregistered_hosts', work: () => Promise<unknown>): Promise<void> {
    const { query } = world.database;
    await sql`CREATE TRIGGER full BEFORE INSERT ON ${sql.table(table)} BEGIN SELECT RAISE(ABORT, 'disk full'); END`.execute(
      query,
    );
    expect(await world.until(work()).catch(String)).to.contain('disk full');
    await sql`DROP TRIGGER full`.execute(query);
  }

  it('is registered with its access key, or not at all: it can be asked for again then', async () => {
    const register = () =>
      world.core.services.commandHostRegistration.register(
        { name: 'web-2', tags: {}, zone: null, scalingGroup: null },
        ADMIN,
      );
    await whileFull('access_keys', register);
    const { host, accessKeyId } = await world.until(register());
    expect(host.name).to.equal('web-2');
    const { items } = await world.core.services.accessKeys.list({ limit: 10 });
    expect(items.map(({ id, holder }) => ({ id, name: holder.name }))).to.deep.include({
      id: accessKeyId,
      name: 'web-2',
    });
  });

  it('is deregistered and remembered as that, or not at all', async () => {
    const host = await world.addHost('web-1', {});
    const { onPremisesInstances } = world.core.services;
    const deregister = () => onPremisesInstances.deregister('web-1', ADMIN);
    await whileFull('deregistered_hosts', deregister);
    expect((await world.host(host)).name).to.equal('web-1');
    await world.until(deregister());
    expect((await onPremisesInstances.get('web-1')).deregisteredAt).to.be.a('number');
  });
});

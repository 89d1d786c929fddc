import { expect } from 'chai';
import { sql } from 'kysely';
import type { TriggerEvent } from '../../../../shared/model/trigger.ts';
import { triggerEvent } from '../../../../shared/model/trigger.ts';
import { ANN, createEngineWorld, type EngineWorld } from '../../../support/engine-world.ts';

const ALL = triggerEvent.options;
const TARGET = 'https://chat.example/hook';

describe('the outbox of triggers', () => {
  let world: EngineWorld;
  beforeEach(async () => {
    world = await createEngineWorld();
  });
  afterEach(() => world.close());

  const group = (triggers: { name: string; target: string; events: readonly TriggerEvent[] }[]) =>
    world.addGroup('prod', { settings: { triggers } });
  const toldAll = () => group([{ name: 'all', target: TARGET, events: ALL }]);
  const messages = () => world.database.query.selectFrom('trigger_messages').selectAll().orderBy('sequence').execute();
  /** `DeploymentStart d-1 CREATED`, in order. */
  async function told(): Promise<string[]> {
    return (await messages()).map((row) => {
      const body = JSON.parse(row.body) as { status?: string; instanceStatus?: string };
      return [row.event, row.host_name ?? row.deployment_id, body.status ?? body.instanceStatus].join(' ');
    });
  }

  it('has a message for every step of a deployment that succeeds, in their order', async () => {
    await world.addHost('web-1');
    await world.addRevision('1');
    await toldAll();
    const { id } = await world.deploy('1');
    await world.run();
    expect(await told()).to.deep.equal([
      `DeploymentStart ${id} CREATED`,
      'InstanceStart web-1 IN_PROGRESS',
      'InstanceSuccess web-1 SUCCEEDED',
      `DeploymentSuccess ${id} SUCCEEDED`,
    ]);
    const success = (await messages())[2];
    const { lifecycleEvents } = JSON.parse(success?.body ?? '') as { lifecycleEvents: string };
    const events = JSON.parse(lifecycleEvents) as { LifecycleEvent: string; LifecycleEventStatus: string }[];
    expect(events.map((event) => event.LifecycleEventStatus)).to.deep.equal(Array(7).fill('Succeeded'));
    expect(events.at(0)?.LifecycleEvent).to.equal('ApplicationStop');
  });

  it('tells a failure before the rollback that answers it, and both to their ends', async () => {
    await world.addHost('web-1', {
      behaviour: (assignment) => (assignment.revision.label === 'bad' ? 'fail' : 'succeed'),
    });
    await world.addRevision('good');
    await world.addRevision('bad');
    await toldAll();
    await world.deploy('good');
    await world.run();
    await world.database.query.deleteFrom('trigger_messages').execute();
    const { id } = await world.deploy('bad');
    await world.run();
    const rollback = (await world.get(id)).rollbackInfo.rollbackDeploymentId;
    expect(await told()).to.deep.equal([
      `DeploymentStart ${id} CREATED`,
      'InstanceStart web-1 IN_PROGRESS',
      'InstanceFailure web-1 FAILED',
      `DeploymentFailure ${id} FAILED`,
      `DeploymentStart ${rollback} CREATED`,
      `DeploymentRollback ${rollback} IN_PROGRESS`,
      'InstanceStart web-1 IN_PROGRESS',
      'InstanceSuccess web-1 SUCCEEDED',
      `DeploymentSuccess ${rollback} SUCCEEDED`,
    ]);
    const bodies = (await messages()).map((row) => JSON.parse(row.body) as Record<string, string>);
    expect(JSON.parse(bodies[3]?.['errorInformation'] ?? '')).to.have.property('ErrorCode', 'HEALTH_CONSTRAINTS');
    expect(JSON.parse(bodies[5]?.['rollbackInformation'] ?? '')).to.include({ RollbackTriggeringDeploymentId: id });
  });

  it('tells of a stop, and of hosts that fail without having begun', async () => {
    await world.addHost('web-1', { behaviour: () => 'hang' });
    const offline = await world.addHost('web-2');
    await world.addRevision('1');
    await toldAll();
    // Later than the coordinator's start, after which who is away has longer.
    await world.run(1);
    world.disconnect(offline);
    await world.run(20_000);
    const { id } = await world.deploy('1', { deploymentConfigName: 'CodeDeployDefault.AllAtOnce' });
    await world.run();
    expect(await told()).to.include('InstanceFailure web-2 FAILED');
    await world.deployments.stop(id, { reason: '' }, ANN);
    const host = world.hosts.get('h-web-1');
    if (host !== undefined) world.finish(host, id, 'succeed');
    await world.run();
    expect((await told()).slice(-2)).to.deep.equal(['InstanceSuccess web-1 SUCCEEDED', `DeploymentStop ${id} ABORTED`]);
  });

  it('tells of a host that is forgotten in the middle', async () => {
    const host = await world.addHost('web-1', { behaviour: () => 'hang' });
    await world.addRevision('1');
    await toldAll();
    await world.deploy('1');
    await world.run();
    await world.forget(host);
    expect(await told()).to.include('InstanceFailure web-1 FAILED');
  });

  it('tells each trigger what it asked for, and nothing to others', async () => {
    await world.addHost('web-1');
    await world.addRevision('1');
    await group([
      { name: 'ends', target: TARGET, events: ['DeploymentSuccess', 'DeploymentFailure'] },
      { name: 'topic', target: 'arn:aws:sns:eu-north-1:123456789012:t', events: ['DeploymentSuccess'] },
      { name: 'failures', target: TARGET, events: ['DeploymentFailure'] },
    ]);
    await world.deploy('1');
    await world.run();
    expect((await messages()).map((row) => [row.event, row.trigger_name, row.target])).to.deep.equal([
      ['DeploymentSuccess', 'ends', TARGET],
      ['DeploymentSuccess', 'topic', 'arn:aws:sns:eu-north-1:123456789012:t'],
    ]);
  });

  it('writes nothing for a group without triggers', async () => {
    await world.addHost('web-1');
    await world.addRevision('1');
    await world.addGroup('prod');
    await world.deploy('1');
    await world.run();
    expect(await told()).to.deep.equal([]);
  });

  it('writes nothing when the transaction of the fact is not committed', async () => {
    await world.addHost('web-1');
    await world.addRevision('1');
    await toldAll();
    // The audit record is written after the deployment, in the same transaction.
    await sql`CREATE TRIGGER full BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'disk full'); END`.execute(
      world.database.query,
    );
    await world.deploy('1').then(
      () => expect.fail('it was to fail'),
      (error: Error) => expect(error.message).to.contain('disk full'),
    );
    expect(await world.database.query.selectFrom('deployments').select('id').execute()).to.deep.equal([]);
    expect(await told()).to.deep.equal([]);
  });

  it('acts on the triggers that CodeDeploy’s API left before they were acted upon', async () => {
    await world.addHost('web-1');
    await world.addRevision('1');
    await world.addGroup('prod');
    const { settings } = await world.database.query
      .selectFrom('deployment_groups')
      .select('settings')
      .executeTakeFirstOrThrow();
    const { triggers: _none, ...before } = JSON.parse(settings) as Record<string, unknown>;
    const kept = [
      { triggerName: 'old', triggerTargetArn: 'arn:aws:sns:eu-north-1:1:t', triggerEvents: ['DeploymentStart'] },
      { triggerName: 'odd', triggerTargetArn: 'nowhere', triggerEvents: ['DeploymentStart'] },
    ];
    await world.database.query
      .updateTable('deployment_groups')
      .set({ settings: JSON.stringify(before), aws_settings: JSON.stringify({ triggerConfigurations: kept }) })
      .execute();
    await world.deploy('1');
    expect((await messages()).map((row) => row.trigger_name)).to.deep.equal(['old']);
  });
});

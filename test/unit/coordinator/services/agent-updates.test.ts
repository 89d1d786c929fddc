import { expect } from 'chai';
import { createTriggerOutbox } from '../../../../coordinator/engine/trigger-outbox.ts';
import { type AgentUpdates, createAgentUpdates } from '../../../../coordinator/services/agent-updates/agent-updates.ts';
import type { Revisions } from '../../../../coordinator/services/revisions.ts';
import { loadChangeSequence } from '../../../../coordinator/storage/change-sequence.ts';
import { silentLogger } from '../../../../shared/core/logger.ts';
import { AGENT_APPLICATION } from '../../../../shared/model/agent-update.ts';
import { ANN, createEngineWorld, type EngineWorld, type WorldHost } from '../../../support/engine-world.ts';
import { seededRandomness } from '../../../support/fake-randomness.ts';

const SETTINGS = { waves: ['100%'], budget: '1', healthyWithinSeconds: 10, downgrade: false };

describe('agent updates', () => {
  let world: EngineWorld;
  let updates: AgentUpdates;
  let happened: string[];
  beforeEach(async () => {
    world = await createEngineWorld();
    happened = [];
    updates = await createUpdates();
    updates.begin();
  });
  afterEach(async () => {
    await updates.end();
    await world.close();
  });

  async function createUpdates(): Promise<AgentUpdates> {
    const { database, clock, engine, deployments } = world;
    const randomness = seededRandomness(8);
    const names = { region: 'eu-north-1', accountId: '123456789012' };
    return createAgentUpdates({
      database,
      clock,
      randomness,
      logger: silentLogger,
      insertParts: {
        randomness,
        changes: await loadChangeSequence(database),
        deploymentTimeoutMs: 43_200_000,
        triggers: createTriggerOutbox({ randomness, names, maxWaiting: 1_000, wake: () => {} }),
      },
      packages: {
        list: async () => [
          { file: 'drover-agent_0.2.0_amd64.deb', version: '0.2.0', architecture: 'amd64', kind: 'deb' },
        ],
        withBundle: (_version, use) =>
          use({ digest: 'a'.repeat(64), sizeBytes: 1, bundleType: 'tar', async *open() {} }),
      },
      // Of the service it needs the two that make a revision of the packages.
      revisions: { list: async () => ({ items: [await aRevision()], nextCursor: null }) } as unknown as Revisions,
      deployments: {
        async stop(...asked) {
          const stopped = await deployments.stop(...asked);
          happened.push('its wave is told to stop');
          return stopped;
        },
      },
      wakeDeployment: engine.wakeDeployment,
    });
  }

  async function aRevision(): Promise<{ id: string; digest: string }> {
    const digest = 'a'.repeat(64);
    await world.database.query
      .insertInto('revisions')
      .values({
        id: 'r-agent',
        application: AGENT_APPLICATION,
        label: '0.2.0',
        digest,
        bundle_type: 'tar',
        size_bytes: 1,
        source_url: null,
        description: '',
        registered_at: 0,
        registered_by: 'ann',
        last_pushed_at: 0,
        first_used_at: null,
        last_used_at: null,
      })
      .execute();
    return { id: 'r-agent', digest };
  }

  async function addAgent(name: string): Promise<WorldHost> {
    const host = await world.addHost(name, { behaviour: () => 'hang' });
    await world.database.query
      .updateTable('hosts')
      .set({ agent_version: '0.1.0', facts: JSON.stringify({ architecture: 'x64', agentPackage: 'deb' }) })
      .where('id', '=', host.id)
      .execute();
    return host;
  }

  it('are answered as stopped only when their wave is, so that no host starts after that', async () => {
    await addAgent('web-1');
    await addAgent('web-2');
    const { id } = await updates.start(SETTINGS, ANN);
    await world.run();
    await updates.stop(id, ANN);
    happened.push('the stop is answered');
    await world.run();
    expect(happened).to.deep.equal(['its wave is told to stop', 'the stop is answered']);
    expect((await updates.stop(id, ANN)).stopRequestedBy).to.equal('ann');
    expect(happened).to.have.length(2);
  });
});

import { Readable } from 'node:stream';
import type { Clock } from '../../../shared/core/clock.ts';
import { newDeploymentGroupId, newUuid } from '../../../shared/core/ids.ts';
import type { Randomness } from '../../../shared/core/randomness.ts';
import { AGENT_APPLICATION, AGENT_GROUP } from '../../../shared/model/agent-update.ts';
import type { DeploymentGroupSettings } from '../../../shared/model/deployment-group.ts';
import type { Revision } from '../../../shared/model/revision.ts';
import type { Caller } from '../../auth/caller.ts';
import type { Database } from '../../storage/database.ts';
import { insertAudit } from '../../storage/rows/audit.ts';
import type { Revisions } from '../revisions.ts';
import type { AgentPackages } from './agent-packages.ts';

/** It selects no host, so that nothing but an agent update ever deploys there: no host enters it, and none is owed a revision. */
const GROUP_SETTINGS: DeploymentGroupSettings = {
  selection: { tagFilters: [], tagSet: [], hostNames: [], scalingGroups: [] },
  deploymentConfigName: 'CodeDeployDefault.OneAtATime',
  autoRollback: { enabled: false, events: [] },
  outdatedInstancesStrategy: 'IGNORE',
  hookEnvironment: {},
  triggers: [],
  transientUnits: false,
};

interface Parts {
  database: Database;
  clock: Clock;
  randomness: Randomness;
  revisions: Pick<Revisions, 'uploadAgent' | 'list'>;
  packages: AgentPackages;
}

/** A version of the agent as a revision, made of its packages; the same packages give the revision that there is. */
export async function ensureAgentRevision(parts: Parts, version: string, caller: Caller): Promise<Revision> {
  await ensureApplication(parts);
  return parts.packages.withBundle(version, async ({ digest, bundleType, open }) => {
    const { items } = await parts.revisions.list(AGENT_APPLICATION, { digest, limit: 1 });
    const [known] = items;
    if (known !== undefined) return known;
    // The same version was built again: a label never moves.
    const isTaken = await hasLabel(parts.database, version);
    const label = isTaken ? `${version}-${digest.slice(0, 8)}` : version;
    const description = `drover-agent ${version}, from the packages of this coordinator`;
    return parts.revisions.uploadAgent({ digest, label, bundleType, description }, Readable.from(open()), caller);
  });
}

async function hasLabel(database: Database, label: string): Promise<boolean> {
  const row = await database.query
    .selectFrom('revisions')
    .select('id')
    .where('application', '=', AGENT_APPLICATION)
    .where('label', '=', label)
    .executeTakeFirst();
  return row !== undefined;
}

async function ensureApplication({ database, clock, randomness }: Parts): Promise<void> {
  await database.transaction(async ({ query }) => {
    const now = clock.now();
    const application = await query
      .insertInto('applications')
      .values({
        id: newUuid(randomness),
        name: AGENT_APPLICATION,
        description: "Versions of Drover's own agent: drover agents update",
        created_at: now,
      })
      .onConflict((conflict) => conflict.column('name').doNothing())
      .executeTakeFirst();
    const group = await query
      .insertInto('deployment_groups')
      .values({
        id: newDeploymentGroupId(randomness),
        application: AGENT_APPLICATION,
        name: AGENT_GROUP,
        settings: JSON.stringify(GROUP_SETTINGS),
        created_at: now,
        updated_at: now,
        last_good_revision_id: null,
        last_successful_deployment_id: null,
        last_attempted_deployment_id: null,
        aws_settings: '{}',
      })
      .onConflict((conflict) => conflict.columns(['application', 'name']).doNothing())
      .executeTakeFirst();
    const caller = { kind: 'coordinator' } as const;
    const made = (result: { numInsertedOrUpdatedRows?: bigint | undefined }) => result.numInsertedOrUpdatedRows === 1n;
    if (made(application))
      await insertAudit(query, { at: now, caller, action: 'application.create', subject: AGENT_APPLICATION });
    if (made(group)) {
      const subject = `${AGENT_APPLICATION}/${AGENT_GROUP}`;
      await insertAudit(query, { at: now, caller, action: 'deployment-group.create', subject });
    }
  });
}

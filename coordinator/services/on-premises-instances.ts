import type { Clock } from '../../shared/core/clock.ts';
import { AppError } from '../../shared/core/errors.ts';
import { newHostId } from '../../shared/core/ids.ts';
import type { Randomness } from '../../shared/core/randomness.ts';
import type { TagFilter } from '../../shared/model/deployment-group.ts';
import type { Tags } from '../../shared/model/host.ts';
import type { Caller } from '../auth/caller.ts';
import { matches } from '../domain/target-selection.ts';
import type { Database, Queryable } from '../storage/database.ts';
import { insertAudit } from '../storage/rows/audit.ts';
import { tagsOf } from '../storage/rows/hosts.ts';
import type { HostRow } from '../storage/tables.ts';
import type { Hosts } from './hosts.ts';
import type { Membership, WakeGroups } from './membership.ts';

/** A host as CodeDeploy's API knows on-premises instances. */
export interface OnPremisesInstance {
  name: string;
  /** An IAM user's or session's; null for a host with Drover's own agent, which needs none. */
  iamArn: string | null;
  registeredAt: number;
  /** Set: it is a host no more, and this is what is remembered of it. */
  deregisteredAt: number | null;
  tags: Tags;
}

/** What decides to which deployment groups the host belongs. */
interface InstancePlace {
  tags: Tags;
  zone: string | null;
  scalingGroup: string | null;
}

interface Parts {
  database: Database;
  clock: Clock;
  randomness: Randomness;
  hosts: Pick<Hosts, 'forget'>;
  hostChanged: Membership['hostChanged'];
}

/** Source: CodeDeploy User Guide, "Limits", tags of an on-premises instance. */
export const MAX_INSTANCE_TAGS = 10;

export function createOnPremisesInstances({ database, clock, randomness, hosts, hostChanged }: Parts) {
  return {
    /**
     * A host that will run AWS's own agent: it shows who it is by an access key instead of a key pair. `alongside` writes what is
     * to be there with the host, or not at all.
     * @throws AppError `conflict` for a name or an ARN that is in use
     */
    async register(
      { name, iamArn, ...place }: { name: string; iamArn: string } & Partial<InstancePlace>,
      caller: Caller,
      alongside: (query: Queryable) => Promise<void> = async () => {},
    ): Promise<void> {
      const id = newHostId(randomness);
      const wakeGroups = await database.transaction(async (tx) => {
        const { query } = tx;
        // Nor a name that is another host's id: its access key would be made for which of the two?
        const taken = await query
          .selectFrom('hosts')
          .select('id')
          .where((where) => where.or([where('name', '=', name), where('id', '=', name)]))
          .executeTakeFirst();
        if (taken !== undefined)
          throw new AppError('conflict', `there is a host ${name} already`, {
            hint: "A host with Drover's agent is registered by its enrolment.",
            details: { noun: 'host', reason: 'exists' },
          });
        const other = await query.selectFrom('hosts').select('name').where('iam_arn', '=', iamArn).executeTakeFirst();
        if (other !== undefined)
          throw new AppError('conflict', `${iamArn} is registered for ${other.name} already`, {
            details: { reason: iamArn.includes(':user/') ? 'iam_user_arn_taken' : 'iam_session_arn_taken' },
          });
        const now = clock.now();
        const row: HostRow = {
          id,
          name,
          // No key at all: nothing that is signed fits it, and it fits no other host.
          public_key: `none:${id}`,
          tags: JSON.stringify(place.tags ?? {}),
          zone: place.zone ?? null,
          scaling_group: place.scalingGroup ?? null,
          facts: '{}',
          presence: 'Offline',
          presence_since: now,
          last_contact_at: null,
          enrolled_at: now,
          agent_version: null,
          clock_offset_ms: null,
          machine_id: null,
          join_token_id: null,
          agent_kind: 'codedeploy',
          iam_arn: iamArn,
        };
        await query.insertInto('hosts').values(row).execute();
        await query.deleteFrom('deregistered_hosts').where('name', '=', name).execute();
        await insertAudit(query, {
          at: now,
          caller,
          action: 'host.register',
          subject: name,
          details: { hostId: id, iamArn },
        });
        await alongside(query);
        return hostChanged(tx, id);
      });
      wakeGroups();
    },

    /** The host is forgotten, whichever agent it has; that it was there is remembered. Nothing for one that is not there. */
    async deregister(name: string, caller: Caller): Promise<void> {
      const host = await database.query.selectFrom('hosts').select('id').where('name', '=', name).executeTakeFirst();
      if (host === undefined) return;
      await hosts.forget(host.id, caller, async (query, { iam_arn, enrolled_at }) => {
        const rest = { iam_arn, registered_at: enrolled_at, deregistered_at: clock.now() };
        await query
          .insertInto('deregistered_hosts')
          .values({ name, ...rest })
          .onConflict((conflict) => conflict.column('name').doUpdateSet(rest))
          .execute();
      });
    },

    /** @throws AppError `not_found` for a name that was never registered */
    async get(name: string): Promise<OnPremisesInstance> {
      const [found] = await this.find([name]);
      if (found !== undefined) return found;
      throw new AppError('not_found', `The on-premises instance ${name} is not registered`, {
        details: { noun: 'host' },
      });
    },

    /** By name; those that are not there are left out. */
    async find(names: readonly string[]): Promise<OnPremisesInstance[]> {
      if (names.length === 0) return [];
      const { query } = database;
      const wanted = [...new Set(names)];
      const present = await query.selectFrom('hosts').selectAll().where('name', 'in', wanted).execute();
      const gone = await query.selectFrom('deregistered_hosts').selectAll().where('name', 'in', wanted).execute();
      const byName = new Map<string, OnPremisesInstance>(
        gone.map((row) => [
          row.name,
          {
            name: row.name,
            iamArn: row.iam_arn,
            registeredAt: row.registered_at,
            deregisteredAt: row.deregistered_at,
            tags: {},
          },
        ]),
      );
      for (const row of present) byName.set(row.name, toInstance(row));
      return wanted.flatMap((name) => byName.get(name) ?? []);
    },

    /** Names, in order, after `after`. A tag filter selects registered ones alone: what is gone has no tags. */
    async listNames(query: {
      status: 'Registered' | 'Deregistered' | null;
      tagFilters: readonly TagFilter[];
      after: string;
      limit: number;
    }): Promise<string[]> {
      const present =
        query.status === 'Deregistered'
          ? []
          : await database.query
              .selectFrom('hosts')
              .select(['name', 'tags'])
              .where('name', '>', query.after)
              .orderBy('name')
              .execute();
      const fitting = present.filter(
        (row) => query.tagFilters.length === 0 || query.tagFilters.some((filter) => matches(filter, tagsOf(row))),
      );
      const gone =
        query.status === 'Registered' || query.tagFilters.length > 0
          ? []
          : await database.query
              .selectFrom('deregistered_hosts')
              .select('name')
              .where('name', '>', query.after)
              .where('name', 'not in', (registered) => registered.selectFrom('hosts').select('name'))
              .execute();
      return [...fitting, ...gone]
        .map((row) => row.name)
        .sort()
        .slice(0, query.limit);
    },

    /**
     * Sets or removes tags of several hosts, all or none.
     * @throws AppError `not_found` for a host, `invalid` with `details.reason: 'too_many_tags'`
     */
    async changeTags(
      names: readonly string[],
      { set, remove }: { set: Tags; remove: readonly { key: string; value: string | null }[] },
      caller: Caller,
    ): Promise<void> {
      const changed = await database.transaction(async (tx) => {
        const { query } = tx;
        const wakes: WakeGroups[] = [];
        const rows = await query
          .selectFrom('hosts')
          .selectAll()
          .where('name', 'in', [...new Set(names)])
          .execute();
        for (const name of names)
          if (!rows.some((row) => row.name === name))
            throw new AppError('not_found', `The on-premises instance ${name} is not registered`, {
              details: { noun: 'host' },
            });
        for (const row of rows) {
          const tags = { ...tagsOf(row), ...set };
          for (const { key, value } of remove) if (value === null || tags[key] === value) delete tags[key];
          if (Object.keys(set).length > 0 && Object.keys(tags).length > MAX_INSTANCE_TAGS)
            throw new AppError('invalid', `${row.name} would have more than ${MAX_INSTANCE_TAGS} tags`, {
              details: { reason: 'too_many_tags' },
            });
          await query
            .updateTable('hosts')
            .set({ tags: JSON.stringify(tags) })
            .where('id', '=', row.id)
            .execute();
          await insertAudit(query, {
            at: clock.now(),
            caller,
            action: 'host.update',
            subject: row.name,
            details: { hostId: row.id, tags },
          });
          wakes.push(await hostChanged(tx, row.id));
        }
        return wakes;
      });
      for (const wakeGroups of changed) wakeGroups();
    },
  };
}
export type OnPremisesInstances = ReturnType<typeof createOnPremisesInstances>;

function toInstance(row: HostRow): OnPremisesInstance {
  return {
    name: row.name,
    iamArn: row.iam_arn,
    registeredAt: row.enrolled_at,
    deregisteredAt: null,
    tags: tagsOf(row),
  };
}

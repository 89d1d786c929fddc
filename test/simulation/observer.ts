import type { DurableDatabase } from './world/durable-database.ts';

/** What is stored of a deployment, as far as checks and situations need it. */
export interface SeenDeployment {
  id: string;
  /** In the order in which they were made. */
  number: number;
  creator: string;
  groupId: string;
  groupName: string;
  application: string;
  revision: string;
  configName: string;
  status: string;
  endingAs: string | null;
  errorCode: string | null;
  minimum: number;
  total: number;
  occupiesGroup: boolean;
  isActive: boolean;
  triggeredBy: string | null;
  stopRequestedAt: number | null;
  changeSequence: number;
  /** Host ids at its creation: its targets, and for a rollback also the hosts that it leaves alone. */
  fleet: readonly string[];
  /** Those of them that were of the group no more. */
  outside: readonly string[];
}

type Row = Omit<SeenDeployment, 'occupiesGroup' | 'isActive' | 'fleet' | 'outside'> & {
  occupiesGroup: number;
  isActive: number;
};

export interface ObserverEvents {
  created(deployment: SeenDeployment): void;
  changed(deployment: SeenDeployment, before: SeenDeployment): void;
}

/** Looks at the stored deployments after every commit. It writes nothing. */
export class Observer {
  readonly deployments = new Map<string, SeenDeployment>();
  readonly #database: DurableDatabase;
  readonly #events: ObserverEvents;
  readonly #changed;
  readonly #targets;
  readonly #members;
  #commits = 0;
  #sequence = 0;

  constructor(database: DurableDatabase, events: ObserverEvents) {
    this.#database = database;
    this.#events = events;
    this.#changed = database.look.prepare<[number], Row>(
      `SELECT id, number, creator, group_id AS groupId, group_name AS groupName, application, revision_label AS revision, config_name AS configName, status, ending_as AS endingAs,
         error_code AS errorCode, coalesce(minimum_count, 0) AS minimum, total_hosts AS total, occupies_group AS occupiesGroup,
         is_active AS isActive, rollback_triggering_deployment_id AS triggeredBy, stop_requested_at AS stopRequestedAt,
         change_sequence AS changeSequence
       FROM deployments WHERE change_sequence > ? ORDER BY change_sequence`,
    );
    this.#members = database.look.prepare<[string, string], object>(
      'SELECT 1 FROM group_hosts WHERE group_id = ? AND host_id = ?',
    );
    this.#targets = database.look.prepare<[string], { hostId: string }>(
      `SELECT host_id AS hostId FROM targets WHERE deployment_id = ? AND host_id IN (SELECT id FROM hosts) ORDER BY position`,
    );
  }

  look(): void {
    if (this.#commits === this.#database.commits) return;
    this.#commits = this.#database.commits;
    for (const row of this.#changed.all(this.#sequence)) {
      this.#sequence = row.changeSequence;
      const before = this.deployments.get(row.id);
      const fleet = before?.fleet ?? this.#fleetOf(row);
      const now: SeenDeployment = {
        ...row,
        occupiesGroup: row.occupiesGroup === 1,
        isActive: row.isActive === 1,
        fleet,
        outside: before?.outside ?? fleet.filter((hostId) => this.#members.get(row.groupId, hostId) === undefined),
      };
      this.deployments.set(row.id, now);
      // What is created may have begun, and ended, before anybody looked.
      const created = { ...now, status: 'Created', endingAs: null, errorCode: null, isActive: true };
      if (before === undefined) this.#events.created(created);
      this.#events.changed(now, before ?? created);
    }
  }

  active(): SeenDeployment[] {
    return [...this.deployments.values()].filter((deployment) => deployment.isActive);
  }

  #fleetOf(row: Row): string[] {
    const own = this.#targets.all(row.id).map((target) => target.hostId);
    if (row.triggeredBy === null) return own;
    const all = this.#targets.all(row.triggeredBy).map((target) => target.hostId);
    return [...new Set([...own, ...all])];
  }
}

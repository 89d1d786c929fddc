import { expect } from 'chai';
import type { DatabaseTransaction } from '../../../coordinator/storage/database.ts';
import { isTerminal } from '../../../shared/model/deployment.ts';
import type { Play } from './play.ts';

/** After the clock was set back, hosts have more time until the coordinator has looked: it does every ten seconds. */
const LOOKED_AFTER_MS = 12_000;
/** The longest of the waits that are the same for every host (docs/rollout.md, Time). */
const LONGEST_WAIT_MS = 300_000;

/** What holds at every moment. */
export async function checkStep(play: Play): Promise<void> {
  const { database, faults } = play.world;
  await database.transaction(async (tx) => {
    await checkCounts(tx);
    await checkOneAtATime(tx);
    await checkComers(tx);
    await checkWaits(play, tx);
  });
  expect(play.broken).to.deep.equal([]);
  expect(faults).to.deep.equal([]);
}

async function checkCounts(tx: DatabaseTransaction): Promise<void> {
  const miscounted = await tx.selectRaw(
    `SELECT d.id, d.status, d.count_pending, d.count_pending_unhealthy, d.count_in_progress, d.count_succeeded,
            d.count_failed, d.count_skipped, sum(t.status = 'Pending') AS pending,
            sum(t.status = 'Pending' AND t.was_healthy = 0) AS unhealthy, sum(t.status = 'InProgress') AS in_progress,
            sum(t.status = 'Succeeded') AS succeeded, sum(t.status = 'Failed') AS failed, sum(t.status = 'Skipped') AS skipped
     FROM deployments d JOIN targets t ON t.deployment_id = d.id GROUP BY d.id
     HAVING count_pending <> pending OR count_pending_unhealthy <> unhealthy OR count_in_progress <> in_progress
       OR count_succeeded <> succeeded OR count_failed <> failed OR count_skipped <> skipped
       OR total_hosts <> already_current_hosts + count(*)
       OR (is_active = 0 AND (pending > 0 OR in_progress > 0))`,
    [],
  );
  expect(miscounted, 'counts on the row are those of its targets').to.deep.equal([]);
}

async function checkOneAtATime(tx: DatabaseTransaction): Promise<void> {
  const doubled = await tx.selectRaw(
    `SELECT group_id FROM deployments WHERE is_active = 1 AND occupies_group = 1 GROUP BY group_id HAVING count(*) > 1`,
    [],
  );
  expect(doubled, 'one active deployment in each group').to.deep.equal([]);
  const busy = await tx.selectRaw(
    `SELECT host_id FROM targets WHERE status = 'InProgress' GROUP BY host_id HAVING count(*) > 1`,
    [],
  );
  expect(busy, 'one running assignment on each host').to.deep.equal([]);
}

/** A rollback reads from the failed deployment what the group does not know of a host. */
async function checkComers(tx: DatabaseTransaction): Promise<void> {
  const trusted = await tx.selectRaw(
    `SELECT d.id, t.host_name FROM targets t JOIN deployments d ON d.id = t.deployment_id
     JOIN group_hosts m ON m.group_id = d.group_id AND m.host_id = t.host_id
     WHERE d.is_active = 1 AND d.rollback_triggering_deployment_id IS NULL AND t.status = 'Pending' AND t.was_healthy = 1
       AND m.converge = 'entering' AND m.instance_health = 'Unknown'`,
    [],
  );
  expect(trusted, 'hosts that enter, and count as in service before they were brought in').to.deep.equal([]);
}

async function checkWaits({ world, setBackAt }: Play, tx: DatabaseTransaction): Promise<void> {
  const now = world.clock.now();
  if (setBackAt !== null && now < setBackAt + LOOKED_AFTER_MS) return;
  const latest = now + LONGEST_WAIT_MS;
  const awaited = await tx.selectRaw(
    `SELECT deployment_id, host_name, status, lost_deadline_at - ? AS lost, late_end_until - ? AS told, deadline_at - ? AS accepted
     FROM targets WHERE lost_deadline_at > ? OR late_end_until > ?
       OR (status = 'InProgress' AND accepted_at IS NULL AND deadline_at > ?)`,
    [latest, latest, latest, latest, latest, latest],
  );
  expect(awaited, 'hosts that are waited for longer than is promised').to.deep.equal([]);
  const away = await tx.selectRaw(`SELECT name FROM hosts WHERE presence <> 'Online' AND presence_since > ?`, [now]);
  expect(away, 'hosts that are away since an instant to come').to.deep.equal([]);
}

/** What holds when all hosts are there, and nothing more happens. */
export async function checkHealed(play: Play): Promise<void> {
  await checkEnds(play);
  await checkMembers(play);
  await checkRollbacks(play);
  await checkConverged(play);
  await checkFeedEnds(play);
}

async function checkEnds({ world }: Play): Promise<void> {
  const deployments = await world.database.query.selectFrom('deployments').selectAll().execute();
  // The status is a column of text.
  const unended = deployments.filter((row) => row.is_active === 1 || !isTerminal(row.status as never));
  expect(
    unended.map((row) => row.id),
    'every deployment has ended',
  ).to.deep.equal([]);
}

async function checkMembers({ world }: Play): Promise<void> {
  const members = await world.database.query
    .selectFrom('group_hosts as m')
    .innerJoin('hosts as h', 'h.id', 'm.host_id')
    .select(['h.name', 'm.host_id', 'm.group_id', 'm.converge', 'm.revision_id'])
    .execute();
  for (const member of members) {
    expect(member.converge, `${member.name} is owed nothing in ${member.group_id}`).to.be.oneOf([null, 'failed']);
    if (member.revision_id === null) continue;
    const has = world.hosts.get(member.host_id)?.installedIn.get(member.group_id);
    expect(has?.revisionId, `what is known of ${member.name} is what it did`).to.equal(member.revision_id);
  }
}

async function checkRollbacks({ world }: Play): Promise<void> {
  const deployments = await world.database.query.selectFrom('deployments').selectAll().execute();
  for (const rollback of deployments.filter((row) => row.rollback_triggering_deployment_id !== null)) {
    const failed = deployments.find((row) => row.id === rollback.rollback_triggering_deployment_id);
    expect(failed?.rollback_deployment_id).to.equal(rollback.id);
    expect(rollback.revision_id, 'the revision that a rollback brings').to.equal(failed?.previous_revision_id);
  }
}

/**
 * After a success of the whole group everyone runs its revision, but for hosts on which it failed: also those that were away,
 * came later, or left and came back. Groups that were told to leave outdated hosts alone are left out.
 */
async function checkConverged({ world, haveIgnored }: Play): Promise<void> {
  const strays = await world.database.transaction((tx) =>
    tx.selectRaw<{ group_name: string }>(
      `SELECT d.id, d.group_name, h.name, m.revision_id, d.revision_id AS wanted FROM deployment_groups g
       JOIN deployments d ON d.group_id = g.id AND d.is_partial = 0 AND d.status = 'Succeeded' AND d.number = (
         SELECT max(number) FROM deployments l WHERE l.group_id = g.id AND l.creator IN ('user', 'codeDeployRollback'))
       JOIN group_hosts m ON m.group_id = g.id JOIN hosts h ON h.id = m.host_id
       LEFT JOIN targets t ON t.deployment_id = d.id AND t.host_id = m.host_id
       WHERE coalesce(m.revision_id, '') <> d.revision_id AND m.converge IS NULL
         AND NOT (coalesce(t.status, '') = 'Failed' AND t.error_code NOT IN ('HOST_OFFLINE', 'HOST_LOST'))`,
      [],
    ),
  );
  const left = strays.filter(({ group_name }) => !haveIgnored.has(group_name));
  expect(left, 'hosts that were left behind').to.deep.equal([]);
}

async function checkFeedEnds({ world }: Play): Promise<void> {
  const last = await world.database.query
    .selectFrom('deployments')
    .select('id')
    .orderBy('number', 'desc')
    .limit(1)
    .executeTakeFirst();
  if (last === undefined) return;
  let end = null;
  for await (const item of world.feed.follow(last.id, 0, new AbortController().signal)) end = item.kind;
  expect(end, `what is told of ${last.id} comes to an end`).to.equal('ended');
}

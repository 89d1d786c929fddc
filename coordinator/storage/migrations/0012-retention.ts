/** What retention turns on, and what finds its way in the one record that it leaves alone. Never edited once released: a change of the schema is another file. */
export const retention = {
  name: '0012-retention',
  statements: [
    `ALTER TABLE revisions ADD COLUMN last_pushed_at BIGINT NOT NULL DEFAULT 0`,
    `UPDATE revisions SET last_pushed_at = registered_at`,
    `CREATE INDEX revisions_by_push ON revisions (application, last_pushed_at DESC, id)`,
    `DROP INDEX revisions_newest`,
    `ALTER TABLE deployments ADD COLUMN output_cleared_at BIGINT`,
    `CREATE INDEX deployments_with_output ON deployments (completed_at) WHERE output_cleared_at IS NULL`,
    // Whether anything counts on a revision is asked for each of them.
    `CREATE INDEX group_hosts_by_revision ON group_hosts (revision_id)`,
    `CREATE INDEX left_group_hosts_by_revision ON left_group_hosts (revision_id)`,
    `CREATE INDEX deployment_groups_by_good_revision ON deployment_groups (last_good_revision_id)`,
    // The record is never shortened.
    `CREATE INDEX audit_by_actor ON audit (actor, sequence DESC)`,
    `CREATE INDEX audit_by_time ON audit (at)`,
  ],
} as const;

/** Never edited once released: a change of the schema is another file. */
export const mainJob = {
  name: '0001-main-job',
  statements: [
    `CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL)`,
    `CREATE TABLE applications (name TEXT PRIMARY KEY, description TEXT NOT NULL, created_at BIGINT NOT NULL)`,
    `CREATE TABLE revisions (
      id TEXT PRIMARY KEY, application TEXT NOT NULL, label TEXT NOT NULL, digest TEXT NOT NULL, bundle_type TEXT NOT NULL,
      size_bytes BIGINT NOT NULL, source_url TEXT, description TEXT NOT NULL, registered_at BIGINT NOT NULL,
      registered_by TEXT NOT NULL, first_used_at BIGINT, last_used_at BIGINT,
      UNIQUE (application, label), UNIQUE (application, digest))`,
    `CREATE INDEX revisions_newest ON revisions (application, registered_at DESC, id)`,
    `CREATE INDEX revisions_by_digest ON revisions (digest)`,
    `CREATE TABLE deployment_configs (
      name TEXT PRIMARY KEY, minimum_type TEXT NOT NULL, minimum_value INTEGER NOT NULL, created_at BIGINT NOT NULL)`,
    `CREATE TABLE deployment_groups (
      id TEXT PRIMARY KEY, application TEXT NOT NULL, name TEXT NOT NULL, settings TEXT NOT NULL, created_at BIGINT NOT NULL,
      updated_at BIGINT NOT NULL, last_good_revision_id TEXT, last_successful_deployment_id TEXT,
      last_attempted_deployment_id TEXT, UNIQUE (application, name))`,
    `CREATE TABLE hosts (
      id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, public_key TEXT NOT NULL UNIQUE, tags TEXT NOT NULL, zone TEXT,
      scaling_group TEXT, facts TEXT NOT NULL, presence TEXT NOT NULL, presence_since BIGINT NOT NULL, last_contact_at BIGINT,
      enrolled_at BIGINT NOT NULL, agent_version TEXT, clock_offset_ms BIGINT, machine_id TEXT, join_token_id TEXT)`,
    `CREATE INDEX hosts_away ON hosts (presence, presence_since) WHERE presence <> 'Online'`,
    `CREATE TABLE host_sequences (
      host_id TEXT PRIMARY KEY, journal_id TEXT NOT NULL, acknowledged_sequence BIGINT NOT NULL)`,
    `CREATE TABLE group_hosts (
      group_id TEXT NOT NULL, host_id TEXT NOT NULL, revision_id TEXT, instance_health TEXT NOT NULL, last_deployment_id TEXT,
      converge TEXT, PRIMARY KEY (group_id, host_id))`,
    `CREATE INDEX group_hosts_by_host ON group_hosts (host_id)`,
    `CREATE INDEX group_hosts_owed ON group_hosts (group_id, converge) WHERE converge IS NOT NULL`,
    `CREATE TABLE join_tokens (
      id TEXT PRIMARY KEY, secret_hash TEXT NOT NULL UNIQUE, tags TEXT NOT NULL, zone TEXT, scaling_group TEXT,
      uses_left INTEGER NOT NULL, created_at BIGINT NOT NULL, created_by TEXT NOT NULL, expires_at BIGINT NOT NULL)`,
    `CREATE TABLE operator_tokens (
      id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, secret_hash TEXT NOT NULL UNIQUE, role TEXT NOT NULL,
      created_at BIGINT NOT NULL, created_by TEXT NOT NULL, last_used_at BIGINT, expires_at BIGINT)`,
    `CREATE TABLE deployments (
      id TEXT PRIMARY KEY, number BIGINT NOT NULL UNIQUE, application TEXT NOT NULL, group_id TEXT NOT NULL,
      group_name TEXT NOT NULL, revision_id TEXT NOT NULL, revision_label TEXT NOT NULL, revision_digest TEXT NOT NULL,
      previous_revision_id TEXT, previous_revision_label TEXT, status TEXT NOT NULL, ending_as TEXT, error_code TEXT,
      error_message TEXT, creator TEXT NOT NULL, created_by TEXT NOT NULL, description TEXT NOT NULL,
      config_name TEXT NOT NULL, minimum_type TEXT NOT NULL, minimum_value INTEGER NOT NULL, minimum_count INTEGER,
      total_hosts INTEGER NOT NULL, already_current_hosts INTEGER NOT NULL,
      count_pending INTEGER NOT NULL, count_pending_unhealthy INTEGER NOT NULL, count_in_progress INTEGER NOT NULL,
      count_succeeded INTEGER NOT NULL, count_failed INTEGER NOT NULL, count_skipped INTEGER NOT NULL,
      ignore_application_stop_failures INTEGER NOT NULL, update_outdated_instances_only INTEGER NOT NULL,
      file_exists_behavior TEXT NOT NULL, auto_rollback TEXT NOT NULL, hook_environment TEXT NOT NULL,
      occupies_group INTEGER NOT NULL, is_partial INTEGER NOT NULL, is_active INTEGER NOT NULL, idempotency_key TEXT UNIQUE,
      follows_deployment_id TEXT, rollback_deployment_id TEXT, rollback_triggering_deployment_id TEXT, rollback_message TEXT,
      stop_requested_at BIGINT, stop_requested_by TEXT, stop_rollback INTEGER, created_at BIGINT NOT NULL, started_at BIGINT,
      completed_at BIGINT, deadline_at BIGINT NOT NULL, version INTEGER NOT NULL, change_sequence BIGINT NOT NULL)`,
    // Invariant I2, kept by the database itself.
    `CREATE UNIQUE INDEX one_active_deployment_per_group ON deployments (group_id)
      WHERE is_active = 1 AND occupies_group = 1`,
    `CREATE INDEX deployments_active ON deployments (is_active, number) WHERE is_active = 1`,
    `CREATE INDEX deployments_by_group ON deployments (group_id, number DESC)`,
    `CREATE INDEX deployments_by_application ON deployments (application, number DESC)`,
    `CREATE TABLE targets (
      id INTEGER PRIMARY KEY, deployment_id TEXT NOT NULL, position INTEGER NOT NULL, host_id TEXT NOT NULL,
      host_name TEXT NOT NULL, status TEXT NOT NULL, was_healthy INTEGER NOT NULL, current_event TEXT, error_code TEXT,
      message TEXT, diagnostics TEXT, started_at BIGINT, accepted_at BIGINT, completed_at BIGINT, deadline_at BIGINT,
      lost_deadline_at BIGINT, change_sequence BIGINT NOT NULL, UNIQUE (host_id, deployment_id))`,
    // Invariant I2: one running assignment per host.
    `CREATE UNIQUE INDEX one_running_target_per_host ON targets (host_id) WHERE status = 'InProgress'`,
    // Who waits for this host to become free.
    `CREATE INDEX targets_waiting ON targets (host_id) WHERE status = 'Pending'`,
    `CREATE UNIQUE INDEX targets_in_order ON targets (deployment_id, status, position)`,
    `CREATE INDEX targets_deadline ON targets (deployment_id, deadline_at) WHERE status = 'InProgress'`,
    `CREATE INDEX targets_lost ON targets (deployment_id, lost_deadline_at)
      WHERE status = 'InProgress' AND lost_deadline_at IS NOT NULL`,
    `CREATE INDEX targets_changed ON targets (deployment_id, change_sequence)`,
    `CREATE TABLE lifecycle_events (
      target_id INTEGER NOT NULL, name TEXT NOT NULL, status TEXT NOT NULL, started_at BIGINT, ended_at BIGINT,
      duration_ms REAL, diagnostics TEXT, PRIMARY KEY (target_id, name)) WITHOUT ROWID`,
    `CREATE TABLE event_output (
      target_id INTEGER NOT NULL, event TEXT NOT NULL, "offset" BIGINT NOT NULL, data BLOB NOT NULL,
      PRIMARY KEY (target_id, event, "offset")) WITHOUT ROWID`,
    `CREATE TABLE audit (
      sequence INTEGER PRIMARY KEY AUTOINCREMENT, at BIGINT NOT NULL, actor TEXT NOT NULL, action TEXT NOT NULL,
      subject TEXT NOT NULL, details TEXT NOT NULL, remote_address TEXT)`,
    `CREATE INDEX audit_by_subject ON audit (subject, sequence DESC)`,
  ],
} as const;

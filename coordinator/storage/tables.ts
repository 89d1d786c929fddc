/**
 * Every table's columns as TypeScript sees them; `migrations/` creates them. JSON columns are text, parsed by `rows/`.
 * Instants are epoch ms. Booleans are 0 or 1, since SQLite has none.
 */
export interface Tables {
  meta: { key: string; value: string };
  applications: { id: string; name: string; description: string; created_at: number };
  revisions: RevisionRow;
  deployment_configs: { name: string; minimum_type: string; minimum_value: number; created_at: number };
  deployment_groups: DeploymentGroupRow;
  hosts: HostRow;
  host_sequences: { host_id: string; journal_id: string; acknowledged_sequence: number };
  host_commands: HostCommandRow;
  group_hosts: GroupHostRow;
  left_group_hosts: LeftGroupHostRow;
  join_tokens: JoinTokenRow;
  operator_tokens: OperatorTokenRow;
  access_keys: AccessKeyRow;
  resource_tags: { resource_id: string; key: string; value: string };
  revision_locations: RevisionLocationRow;
  deregistered_hosts: { name: string; iam_arn: string | null; registered_at: number; deregistered_at: number };
  deployments: DeploymentRow;
  targets: TargetRow;
  lifecycle_events: LifecycleEventRow;
  event_output: { target_id: number; event: string; offset: number; data: Buffer };
  trigger_messages: TriggerMessageRow;
  audit: AuditRow;
  agent_updates: AgentUpdateRow;
  agent_update_waves: AgentUpdateWaveRow;
}

export interface RevisionRow {
  id: string;
  application: string;
  label: string;
  digest: string;
  bundle_type: string;
  size_bytes: number;
  source_url: string | null;
  description: string;
  registered_at: number;
  registered_by: string;
  /** When these bytes were pushed or registered last, which is once or again and again. */
  last_pushed_at: number;
  first_used_at: number | null;
  last_used_at: number | null;
}

export interface RevisionLocationRow {
  application: string;
  /** A RevisionLocation as canonical JSON. */
  location: string;
  revision_id: string;
  description: string;
  /** Of the object when it was fetched. */
  etag: string | null;
  /** The last time that this revision was found here. */
  registered_at: number;
}

export interface DeploymentGroupRow {
  id: string;
  application: string;
  name: string;
  /** DeploymentGroupSettings as JSON. */
  settings: string;
  created_at: number;
  updated_at: number;
  last_good_revision_id: string | null;
  last_successful_deployment_id: string | null;
  last_attempted_deployment_id: string | null;
  /** What CodeDeploy's API keeps of a group beside `settings`, as JSON; see `domain/aws-group-settings.ts`. */
  aws_settings: string;
}

export interface HostRow {
  id: string;
  name: string;
  /** Raw Ed25519 public key, base64. */
  public_key: string;
  /** Tags as a JSON object. */
  tags: string;
  zone: string | null;
  scaling_group: string | null;
  facts: string;
  presence: string;
  presence_since: number;
  last_contact_at: number | null;
  enrolled_at: number;
  agent_version: string | null;
  clock_offset_ms: number | null;
  /** As it was at enrolment: another one means a copied key. */
  machine_id: string | null;
  join_token_id: string | null;
  /** `drover`, or `codedeploy` for a host that runs AWS's own agent. */
  agent_kind: string;
  /** Who the host is to AWS's agent and tools: an IAM user's or session's ARN. */
  iam_arn: string | null;
}

/** A lifecycle event that AWS's agent has taken. It has ended when its lifecycle event has. */
export interface HostCommandRow {
  host_id: string;
  /** Another one for every time that the command is offered. */
  id: string;
  deployment_id: string;
  event: string;
  acknowledged_at: number;
}

/** A host's part in a group: made when the host enters it, deleted when it leaves. */
/** Of a host that served when it left its group. */
export interface LeftGroupHostRow {
  group_id: string;
  host_id: string;
  revision_id: string | null;
  last_deployment_id: string | null;
  converge: string | null;
  /** The group's, then. */
  last_good_revision_id: string | null;
  /** The last change of a target of this host, then: later ones tell that something was deployed to it since. */
  change_sequence: number;
}

export interface GroupHostRow {
  group_id: string;
  host_id: string;
  /** What the host reported as installed last. */
  revision_id: string | null;
  instance_health: string;
  last_deployment_id: string | null;
  /**
   * What the group still owes the host: `entering` = the last good revision, in a one-host deployment, before it counts as
   * in service; `behind` = it joined during a fleet deployment and follows on; `failed` = that was tried and failed; null =
   * nothing.
   */
  converge: string | null;
}

export interface JoinTokenRow {
  id: string;
  secret_hash: string;
  tags: string;
  zone: string | null;
  scaling_group: string | null;
  uses_left: number;
  created_at: number;
  created_by: string;
  expires_at: number;
}

export interface OperatorTokenRow {
  id: string;
  name: string;
  secret_hash: string;
  role: string;
  created_at: number;
  created_by: string;
  last_used_at: number | null;
  expires_at: number | null;
}

/** One of the two holders is set. The secret is in no table: `auth/access-key-secrets.ts` computes it. */
export interface AccessKeyRow {
  id: string;
  operator_token_id: string | null;
  host_id: string | null;
  is_session: number;
  created_at: number;
  created_by: string;
  last_used_at: number | null;
  expires_at: number | null;
}

export interface DeploymentRow {
  id: string;
  /** Grows by creation: the order of history. */
  number: number;
  application: string;
  group_id: string;
  group_name: string;
  revision_id: string;
  revision_label: string;
  revision_digest: string;
  previous_revision_id: string | null;
  previous_revision_label: string | null;
  status: string;
  ending_as: string | null;
  error_code: string | null;
  error_message: string | null;
  creator: string;
  created_by: string;
  description: string;
  config_name: string;
  minimum_type: string;
  minimum_value: number;
  /** Computed for the hosts that are left: it becomes smaller when one is forgotten. */
  minimum_count: number | null;
  total_hosts: number;
  already_current_hosts: number;
  /** Of those that run the revision by its count (succeeded, or current already), how many were forgotten since it was made. */
  forgotten_hosts: number;
  /** How many targets have each status, kept in the same transactions that change them. */
  count_pending: number;
  /** Of the pending ones, those that were not healthy when the deployment was created. */
  count_pending_unhealthy: number;
  count_in_progress: number;
  count_succeeded: number;
  count_failed: number;
  count_skipped: number;
  ignore_application_stop_failures: number;
  update_outdated_instances_only: number;
  file_exists_behavior: string;
  auto_rollback: string;
  hook_environment: string;
  /** 1: each script of a hook runs in a transient unit of systemd. */
  transient_units: number;
  /** 1 for all but one-host scale-out deployments: at most one active per group. */
  occupies_group: number;
  /** 1 when only a part of the group was asked for: its success does not make a last good revision by itself. */
  is_partial: number;
  is_active: number;
  idempotency_key: string | null;
  follows_deployment_id: string | null;
  rollback_deployment_id: string | null;
  rollback_triggering_deployment_id: string | null;
  rollback_message: string | null;
  /** 1: the last good revision once more, as asked for by `deploymentMode: RESTART`. */
  is_restart: number;
  stop_requested_at: number | null;
  stop_requested_by: string | null;
  /** 1 or 0 when the stop said so, null when the deployment's autoRollback decides. */
  stop_rollback: number | null;
  created_at: number;
  started_at: number | null;
  completed_at: number | null;
  deadline_at: number;
  /** When retention saw that no output of it is kept, null when there may be some. */
  output_cleared_at: number | null;
  /** Guards every change of the deployment and of the counts. */
  version: number;
  /** Place in the feed: grows with every change that a watcher should see. */
  change_sequence: number;
}

export interface TargetRow {
  id: number;
  deployment_id: string;
  /** Place in the plan, from 0. */
  position: number;
  host_id: string;
  host_name: string;
  status: string;
  was_healthy: number;
  current_event: string | null;
  error_code: string | null;
  message: string | null;
  diagnostics: string | null;
  started_at: number | null;
  accepted_at: number | null;
  completed_at: number | null;
  /** By when the host must have accepted, or made progress. */
  deadline_at: number | null;
  /** Given up in the middle, and not told yet how it ended: until then nothing else starts on its host while that is here. */
  late_end_until: number | null;
  /** Given up, and its host has told how it ended. */
  late_end_told: number;
  /** Set while the host is away: by when it must be back. */
  lost_deadline_at: number | null;
  change_sequence: number;
}

export interface LifecycleEventRow {
  target_id: number;
  name: string;
  status: string;
  started_at: number | null;
  ended_at: number | null;
  duration_ms: number | null;
  diagnostics: string | null;
}

/** A message of a trigger that is not delivered: written with the fact that it tells, deleted when its target has it. */
export interface TriggerMessageRow {
  sequence: number;
  id: string;
  target: string;
  event: string;
  trigger_name: string;
  application: string;
  group_name: string;
  deployment_id: string;
  host_name: string | null;
  subject: string;
  /** What is sent, the same bytes in every attempt. */
  body: string;
  created_at: number;
  /** From when its age counts: its creation, or when an operator asked for another try. */
  waiting_since: number;
  attempts: number;
  last_attempt_at: number | null;
  last_error: string | null;
  next_attempt_at: number;
  /** Given up then. */
  dead_at: number | null;
}

export interface AuditRow {
  sequence: number;
  at: number;
  actor: string;
  action: string;
  subject: string;
  details: string;
  remote_address: string | null;
}

export interface AgentUpdateRow {
  id: string;
  /** Grows by creation. */
  number: number;
  version: string;
  revision_id: string;
  /** AgentUpdateSettings as JSON, and the packages that there were. */
  settings: string;
  downgrade: number;
  total_hosts: number;
  status: string;
  message: string | null;
  created_by: string;
  created_at: number;
  completed_at: number | null;
  stop_requested_by: string | null;
}

export interface AgentUpdateWaveRow {
  update_id: string;
  /** From 1. */
  number: number;
  deployment_id: string;
  hosts: number;
}

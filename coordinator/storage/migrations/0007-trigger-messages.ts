/** Messages of triggers until they are delivered. Never edited once released: a change of the schema is another file. */
export const triggerMessages = {
  name: '0007-trigger-messages',
  statements: [
    // In the order in which the facts were written, which is the order of delivery to each target.
    `CREATE TABLE trigger_messages (
      sequence INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, target TEXT NOT NULL, event TEXT NOT NULL,
      trigger_name TEXT NOT NULL, application TEXT NOT NULL, group_name TEXT NOT NULL, deployment_id TEXT NOT NULL,
      host_name TEXT, subject TEXT NOT NULL, body TEXT NOT NULL, created_at BIGINT NOT NULL, waiting_since BIGINT NOT NULL,
      attempts INTEGER NOT NULL, last_attempt_at BIGINT, last_error TEXT, next_attempt_at BIGINT NOT NULL, dead_at BIGINT)`,
    `CREATE INDEX trigger_messages_waiting ON trigger_messages (target, sequence) WHERE dead_at IS NULL`,
    `CREATE INDEX trigger_messages_dead ON trigger_messages (dead_at, sequence) WHERE dead_at IS NOT NULL`,
  ],
} as const;

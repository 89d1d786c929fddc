/** Never edited once released: a change of the schema is another file. */
export const accessKeys = {
  name: '0002-access-keys',
  statements: [
    `CREATE TABLE access_keys (
      id TEXT PRIMARY KEY, operator_token_id TEXT, host_id TEXT, is_session INTEGER NOT NULL, created_at BIGINT NOT NULL,
      created_by TEXT NOT NULL, last_used_at BIGINT, expires_at BIGINT)`,
    `CREATE INDEX access_keys_by_operator ON access_keys (operator_token_id) WHERE operator_token_id IS NOT NULL`,
    `CREATE INDEX access_keys_by_host ON access_keys (host_id) WHERE host_id IS NOT NULL`,
  ],
} as const;

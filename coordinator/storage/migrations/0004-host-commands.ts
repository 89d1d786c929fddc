/** Never edited once released: a change of the schema is another file. */
export const hostCommands = {
  name: '0004-host-commands',
  statements: [
    // The command that each host with AWS's agent acknowledged last: a host has one at a time.
    `CREATE TABLE host_commands (
      host_id TEXT PRIMARY KEY, id TEXT NOT NULL, deployment_id TEXT NOT NULL, event TEXT NOT NULL,
      acknowledged_at BIGINT NOT NULL) WITHOUT ROWID`,
  ],
} as const;

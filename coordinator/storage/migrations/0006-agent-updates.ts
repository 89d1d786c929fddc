/** Versions of the agent on their way over the fleet. */
export const agentUpdates = {
  name: '0006-agent-updates',
  statements: [
    `CREATE TABLE agent_updates (
      id TEXT PRIMARY KEY, number BIGINT NOT NULL UNIQUE, version TEXT NOT NULL, revision_id TEXT NOT NULL,
      settings TEXT NOT NULL, downgrade INTEGER NOT NULL, total_hosts INTEGER NOT NULL, status TEXT NOT NULL, message TEXT,
      created_by TEXT NOT NULL, created_at BIGINT NOT NULL, completed_at BIGINT, stop_requested_by TEXT)`,
    // Two at a time would each take the other's hosts for outdated.
    `CREATE UNIQUE INDEX one_active_agent_update ON agent_updates (status) WHERE status = 'InProgress'`,
    `CREATE TABLE agent_update_waves (
      update_id TEXT NOT NULL, number INTEGER NOT NULL, deployment_id TEXT NOT NULL, hosts INTEGER NOT NULL,
      PRIMARY KEY (update_id, number))`,
  ],
} as const;

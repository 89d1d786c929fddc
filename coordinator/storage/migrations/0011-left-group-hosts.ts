/** What a group knew of a host that has left it, for when it comes back. Never edited once released: a change of the schema is another file. */
export const leftGroupHosts = {
  name: '0011-left-group-hosts',
  statements: [
    `CREATE TABLE left_group_hosts (
      group_id TEXT NOT NULL, host_id TEXT NOT NULL, revision_id TEXT, last_deployment_id TEXT, converge TEXT,
      last_good_revision_id TEXT, change_sequence BIGINT NOT NULL, PRIMARY KEY (group_id, host_id))`,
    `CREATE INDEX left_group_hosts_by_host ON left_group_hosts (host_id)`,
  ],
} as const;

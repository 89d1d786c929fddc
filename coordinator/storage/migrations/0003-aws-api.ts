/**
 * What CodeDeploy's API knows of things that Drover's own did not. Never edited once released: a change of the schema is
 * another file.
 */
export const awsApi = {
  name: '0003-aws-api',
  statements: [
    `ALTER TABLE applications ADD COLUMN id TEXT NOT NULL DEFAULT ''`,
    // Opaque to everybody: those that are made from now on get a UUID.
    `UPDATE applications SET id = 'application-' || name`,
    `CREATE UNIQUE INDEX applications_by_id ON applications (id)`,
    // Of an application or a deployment group, by its id.
    `CREATE TABLE resource_tags (
      resource_id TEXT NOT NULL, "key" TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (resource_id, "key"))`,
    // Settings of a group that CodeDeploy's API gives back and Drover's own does not have.
    `ALTER TABLE deployment_groups ADD COLUMN aws_settings TEXT NOT NULL DEFAULT '{}'`,
    // Where revisions come from, in CodeDeploy's terms. An object that is overwritten makes another revision at the same place.
    `CREATE TABLE revision_locations (
      application TEXT NOT NULL, location TEXT NOT NULL, revision_id TEXT NOT NULL, description TEXT NOT NULL,
      etag TEXT, registered_at BIGINT NOT NULL, PRIMARY KEY (application, location, revision_id))`,
    `CREATE INDEX revision_locations_by_revision ON revision_locations (revision_id)`,
    `ALTER TABLE deployments ADD COLUMN is_restart INTEGER NOT NULL DEFAULT 0`,
    // Hosts that run AWS's agent have no key of ours, and who they are to AWS's tools.
    `ALTER TABLE hosts ADD COLUMN agent_kind TEXT NOT NULL DEFAULT 'drover'`,
    `ALTER TABLE hosts ADD COLUMN iam_arn TEXT`,
    `CREATE UNIQUE INDEX hosts_by_iam_arn ON hosts (iam_arn) WHERE iam_arn IS NOT NULL`,
    `CREATE TABLE deregistered_hosts (
      name TEXT PRIMARY KEY, iam_arn TEXT, registered_at BIGINT NOT NULL, deregistered_at BIGINT NOT NULL)`,
  ],
} as const;

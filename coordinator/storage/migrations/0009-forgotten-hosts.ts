/** A host that had the revision and was forgotten is not of the fleet any more. Never edited once released: a change of the schema is another file. */
export const forgottenHosts = {
  name: '0009-forgotten-hosts',
  statements: ['ALTER TABLE deployments ADD COLUMN forgotten_hosts INTEGER NOT NULL DEFAULT 0'],
} as const;

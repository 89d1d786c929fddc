/** What a host that was given up in the middle still has to tell. Never edited once released: a change of the schema is another file. */
export const lateEnds = {
  name: '0005-late-ends',
  statements: [
    `ALTER TABLE targets ADD COLUMN late_end_until BIGINT`,
    `CREATE INDEX targets_untold ON targets (host_id) WHERE late_end_until IS NOT NULL`,
  ],
} as const;

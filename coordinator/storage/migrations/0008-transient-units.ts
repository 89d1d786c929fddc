/** A deployment keeps what its group said when it was made. Never edited once released: a change of the schema is another file. */
export const transientUnits = {
  name: '0008-transient-units',
  statements: ['ALTER TABLE deployments ADD COLUMN transient_units INTEGER NOT NULL DEFAULT 0'],
} as const;

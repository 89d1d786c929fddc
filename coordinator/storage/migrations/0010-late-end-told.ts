/** The end of a target that had been given up is told by its host once; an agent asked again tells it again. Never edited once released: a change of the schema is another file. */
export const lateEndTold = {
  name: '0010-late-end-told',
  statements: ['ALTER TABLE targets ADD COLUMN late_end_told INTEGER NOT NULL DEFAULT 0'],
} as const;

/** One thing of the source, and what becomes of it. */
export interface ImportItem {
  kind: 'deployment-config' | 'application' | 'deployment-group' | 'revision' | 'on-premises-instance';
  /** `web`, `web/prod`, `web s3://bundles/web.zip`. */
  name: string;
  state: ImportState;
  /** Why it differs, cannot be carried over, or failed. */
  reasons: readonly Remark[];
  /** What will be another way than it was. */
  notes: readonly Remark[];
}

/**
 * `create`: it is not here yet; `created`: now it is. `same`: it is here, as there. `differs`: it is here in another way, and
 * stays so. `cannot`: it cannot be carried over, or not be read. `failed`: the coordinator did not take it.
 */
export type ImportState = 'create' | 'created' | 'same' | 'differs' | 'cannot' | 'failed';

export interface Remark {
  /** For programs; stays the same. */
  code: string;
  text: string;
}

export function remark(code: string, text: string): Remark {
  return { code, text };
}

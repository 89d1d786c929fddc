import type { AppSpecResult } from './appspec.ts';

export interface ParseOptions {
  /** Named in messages; `appspec.yml` when absent. */
  fileName?: string;
  /** Hooks may be on events outside of CodeDeploy's list (`drover-agent local`). */
  customEvents?: boolean;
}

/** Reads an AppSpec file, telling every problem at once. Never throws. Source of the rules: docs/appspec.md. */
export function parseAppSpec(_text: string, _options: ParseOptions = {}): AppSpecResult {
  throw new Error('not written yet');
}

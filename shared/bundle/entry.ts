/** What an AppSpec may be called, the first that is there; another name can be asked for. */
export const APPSPEC_NAMES = ['appspec.yml', 'appspec.yaml'] as const;

/** What linting wants to know of a file in a bundle. */
export interface BundleEntry {
  kind: 'file' | 'directory' | 'symlink';
  mode: number;
  /** The beginning of a file that may be a script; absent when it was not read. */
  firstBytes?: Uint8Array;
}

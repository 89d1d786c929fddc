import type { AppSpec } from '../../shared/appspec/appspec.ts';
import type { Logger } from '../../shared/core/logger.ts';
import type { FileExistsBehavior } from '../../shared/model/deployment-group.ts';
import type { Accounts } from '../host/accounts.ts';
import type { Disk } from '../host/disk.ts';
import type { ProcessRunner } from '../host/process-runner.ts';

export interface InstallParts {
  disk: Disk;
  accounts: Accounts;
  run: ProcessRunner['run'];
  logger: Logger;
}

export interface InstallRequest {
  groupId: string;
  deploymentId: string;
  appSpec: AppSpec;
  archiveRoot: string;
  /** The deployment's own; the AppSpec's comes first. */
  fileExistsBehavior: FileExistsBehavior;
  /** Where this group's manifest, journal and nothing else live. */
  stateDirectory: string;
}

export type InstallOutcome =
  | { ok: true; installedFiles: number; removedFiles: number }
  /** `restored`: the host's files are as they were before. */
  | { ok: false; message: string; restored: boolean };

/** Puts the revision's files in place of the previous install's. Repeating a finished install does it again, harmlessly. */
export function install(_parts: InstallParts, _request: InstallRequest): Promise<InstallOutcome> {
  throw new Error('not written yet');
}

/** Call at agent start, and before an install: brings a group that died in the middle of an install to its old files or its new ones. */
export function recoverInstall(
  _parts: InstallParts,
  _request: { groupId: string; stateDirectory: string },
): Promise<'nothing' | 'restored' | 'completed'> {
  throw new Error('not written yet');
}

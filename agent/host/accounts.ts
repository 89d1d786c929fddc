import type { Disk } from './disk.ts';
import type { ProcessRunner } from './process-runner.ts';

/** Users and groups of the host. */
export interface Accounts {
  /** By name or number; null when the host knows no such user. A number without an entry has home `/` and its own id as group. */
  user(nameOrId: string): Promise<UserAccount | null>;
  group(nameOrId: string): Promise<GroupAccount | null>;
}

export interface UserAccount {
  name: string;
  uid: number;
  gid: number;
  home: string;
  /** Every group the user is in, its own included. */
  groups: readonly number[];
}

export interface GroupAccount {
  gid: number;
}

export function createAccounts(_parts: { disk: Pick<Disk, 'readFile'>; run: ProcessRunner['run'] }): Accounts {
  throw new Error('not written yet');
}

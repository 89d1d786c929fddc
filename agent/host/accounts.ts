import { errnoOf } from '../../shared/core/errors.ts';
import type { Disk } from './disk.ts';
import type { ProcessRunner } from './process-runner.ts';

/** Users and groups of the host. */
export interface Accounts {
  /** By name or number; null when the host knows no such user. */
  user(nameOrId: string): Promise<UserAccount | null>;
  /** A number that no group has is a group all the same: files may belong to it. */
  group(nameOrId: string): Promise<GroupAccount | null>;
}

interface UserAccount {
  name: string;
  uid: number;
  gid: number;
  home: string;
  /** Every group the user is in, its own included. */
  groups: readonly number[];
}

interface GroupAccount {
  gid: number;
}

const MAX_FILE_BYTES = 16 * 1_024 * 1_024;
const GETENT_TIMEOUT_MS = 10_000;
/** The largest id but one: -1 means "keep" to chown. */
const MAX_ID = 4_294_967_294;

interface Passwd {
  name: string;
  uid: number;
  gid: number;
  home: string;
}

interface Group {
  name: string;
  gid: number;
  members: readonly string[];
}

/** Reads /etc/passwd and /etc/group, and asks `getent` (LDAP, SSSD, systemd) about those who are not there. */
export function createAccounts(parts: { disk: Pick<Disk, 'readFile'>; run: ProcessRunner['run'] }): Accounts {
  const lines = async (path: string) => {
    try {
      return (await parts.disk.readFile(path, MAX_FILE_BYTES)).toString('utf8').split('\n');
    } catch (error) {
      // A host without local accounts; getent may know more.
      if (errnoOf(error) === 'ENOENT') return [];
      throw error;
    }
  };
  const getent = async (args: readonly string[]): Promise<string[]> => {
    try {
      const result = await parts.run('getent', args, GETENT_TIMEOUT_MS);
      return result.exitCode === 0 ? result.stdout.split('\n') : [];
    } catch {
      // No getent on this host (musl): the files are all there is.
      return [];
    }
  };

  return {
    async user(nameOrId) {
      if (!isAskable(nameOrId)) return null;
      const local = (await lines('/etc/passwd')).map(passwdOf).find((entry) => isCalled(entry, entry?.uid, nameOrId));
      const found =
        local ??
        (await getent(['passwd', nameOrId])).map(passwdOf).find((entry) => isCalled(entry, entry?.uid, nameOrId));
      if (found === undefined || found === null) return null;
      const memberOf = (await lines('/etc/group')).map(groupOf).filter((group) => group?.members.includes(found.name));
      const groups = new Set([found.gid, ...memberOf.flatMap((group) => (group === null ? [] : [group.gid]))]);
      if (local === undefined || local === null) for (const gid of await initgroups(found.name)) groups.add(gid);
      return { ...found, groups: [...groups] };
    },
    async group(nameOrId) {
      if (!isAskable(nameOrId)) return null;
      const id = idOf(nameOrId);
      if (id !== null) return { gid: id };
      const local = (await lines('/etc/group')).map(groupOf).find((entry) => entry?.name === nameOrId);
      const found = local ?? (await getent(['group', nameOrId])).map(groupOf).find((entry) => entry?.name === nameOrId);
      return found === undefined || found === null ? null : { gid: found.gid };
    },
  };

  async function initgroups(name: string): Promise<number[]> {
    const [line = ''] = await getent(['initgroups', name]);
    return line
      .split(/\s+/)
      .slice(1)
      .map(Number)
      .filter((gid) => Number.isInteger(gid));
  }
}

/** Keeps options of getent and lines of the files out of a name. */
function isAskable(nameOrId: string): boolean {
  return nameOrId !== '' && !nameOrId.startsWith('-') && !/[:\s\0]/.test(nameOrId);
}

function isCalled(entry: Passwd | null, uid: number | undefined, nameOrId: string): boolean {
  return entry !== null && (entry.name === nameOrId || (uid !== undefined && idOf(nameOrId) === uid));
}

function idOf(text: string): number | null {
  if (!/^\d{1,10}$/.test(text)) return null;
  const id = Number(text);
  return id <= MAX_ID ? id : null;
}

function passwdOf(line: string): Passwd | null {
  const [name, , uid, gid, , home] = line.split(':');
  const ids = [idOf(uid ?? ''), idOf(gid ?? '')] as const;
  if (!name || ids[0] === null || ids[1] === null) return null;
  return { name, uid: ids[0], gid: ids[1], home: home || '/' };
}

function groupOf(line: string): Group | null {
  const [name, , gid, members] = line.split(':');
  const id = idOf(gid ?? '');
  return !name || id === null
    ? null
    : { name, gid: id, members: (members ?? '').split(',').map((member) => member.trim()) };
}

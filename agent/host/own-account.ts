import { hostname, loadavg, userInfo } from 'node:os';

/** The user that the agent runs as. */
export interface OwnAccount {
  uid: number;
  gid: number;
  name: string;
  home: string;
}

export function ownAccount(): OwnAccount {
  const { uid, gid, username, homedir } = userInfo();
  return { uid, gid, name: username, home: homedir };
}

export function ownHostname(): string {
  return hostname();
}

/** The load average of the last minute. */
export function loadOfLastMinute(): number {
  return loadavg()[0] ?? 0;
}

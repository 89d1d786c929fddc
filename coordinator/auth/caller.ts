import type { HostId } from '../../shared/core/ids.ts';
import type { Role } from '../../shared/model/operator.ts';

/** Who asks: for permissions and for the audit record. */
export type Caller =
  | { kind: 'operator'; name: string; role: Role; remoteAddress: string | null }
  | { kind: 'host'; hostId: HostId; hostName: string; remoteAddress: string | null }
  | { kind: 'coordinator' };

/** As it stands in the audit record and in `createdBy`. */
export function callerName(caller: Caller): string {
  switch (caller.kind) {
    case 'operator':
      return caller.name;
    case 'host':
      return `host:${caller.hostName}`;
    case 'coordinator':
      return 'coordinator';
  }
}

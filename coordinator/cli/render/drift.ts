import { describeDrift } from '../../../shared/model/drift.ts';
import type { RouteReply } from '../../../shared/sdk/route-methods.ts';
import { plainText } from './text.ts';

/** Groups by their names where the coordinator knows them. */
export function driftLines({ groups, isTruncated }: RouteReply<'findHostDrift'>): string[] {
  if (groups.length === 0) return ['Nothing is installed on this host.'];
  return [
    ...groups.flatMap((group) => {
      const name = group.application === null ? group.groupId : `${group.application}/${group.deploymentGroup}`;
      return describeDrift(name, group, plainText);
    }),
    ...(isTruncated ? ['The host has more deployment groups.'] : []),
  ];
}

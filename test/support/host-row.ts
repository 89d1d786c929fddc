import type { HostRow } from '../../coordinator/storage/tables.ts';

/** A host that has enrolled just now, is online, and of which nothing else is known; with what the test says of it. */
export function hostRow(host: Pick<HostRow, 'id' | 'name'> & Partial<HostRow>, now: number): HostRow {
  return {
    public_key: `key-${host.name}`,
    tags: '{}',
    zone: null,
    scaling_group: null,
    facts: '{}',
    presence: 'Online',
    presence_since: now,
    last_contact_at: null,
    enrolled_at: now,
    agent_version: null,
    clock_offset_ms: null,
    machine_id: null,
    join_token_id: null,
    agent_kind: 'drover',
    iam_arn: null,
    ...host,
  };
}

import { type Tags, tags } from '../../../shared/model/host.ts';
import type { HostRow } from '../tables.ts';

export function tagsOf(row: Pick<HostRow, 'tags'>): Tags {
  return tags.parse(JSON.parse(row.tags));
}

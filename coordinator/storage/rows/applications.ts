import { AppError } from '../../../shared/core/errors.ts';
import type { Application } from '../../../shared/model/application.ts';
import { nearNamesHint } from '../../domain/near-names.ts';
import type { Queryable } from '../database.ts';
import type { Tables } from '../tables.ts';

/** How many names are looked at for a hint. */
const HINT_NAMES = 200;

export function toApplication(row: Tables['applications']): Application {
  return { id: row.id, name: row.name, description: row.description, createdAt: row.created_at };
}

/** @throws AppError `not_found` with the nearest name as a hint */
export async function applicationRow(query: Queryable, name: string): Promise<Tables['applications']> {
  const row = await query.selectFrom('applications').selectAll().where('name', '=', name).executeTakeFirst();
  if (row !== undefined) return row;
  const known = await query.selectFrom('applications').select('name').orderBy('name').limit(HINT_NAMES).execute();
  throw new AppError('not_found', `there is no application ${name}`, {
    details: { noun: 'application' },
    hint: nearNamesHint(
      name,
      known.map((other) => other.name),
      `Create it: drover apps create ${name}`,
    ),
  });
}

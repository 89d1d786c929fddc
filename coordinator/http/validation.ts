import * as z from 'zod';
import { AppError } from '../../shared/core/errors.ts';
import { nearNamesHint } from '../domain/near-names.ts';

/** Issues that one answer tells. */
const MAX_ISSUES = 10;

/**
 * One part of a request, parsed by its schema.
 * @param where `params`, `query` or `body`: how every message begins
 * @throws AppError `invalid` that names each key and says what was expected there
 */
export function parsePart<Value>(schema: z.ZodType<Value>, value: unknown, where: string): Value {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const unknown = parsed.error.issues.find((issue) => issue.code === 'unrecognized_keys');
  // A misspelt key also lacks under its right name: the misspelling is what to tell first.
  const inOrder =
    unknown === undefined ? parsed.error.issues : [unknown, ...parsed.error.issues.filter((i) => i !== unknown)];
  const issues = inOrder.slice(0, MAX_ISSUES).map((issue) => describe(issue, where));
  throw new AppError('invalid', issues.map((issue) => `${issue.path}: ${issue.message}`).join('; '), {
    details: { issues },
    ...(unknown === undefined ? {} : { hint: keyHint(schema, unknown, where) }),
  });
}

function describe(issue: z.core.$ZodIssue, where: string): { path: string; message: string } {
  const path = [where, ...issue.path.map(String)].join('.');
  if (issue.code === 'unrecognized_keys') {
    const keys = issue.keys.slice(0, MAX_ISSUES).map((key) => JSON.stringify(key.slice(0, 64)));
    return { path, message: `unknown key ${keys.join(', ')}` };
  }
  return { path, message: issue.message };
}

function keyHint(schema: z.ZodType, issue: z.core.$ZodIssueUnrecognizedKeys, where: string): string {
  const known = issue.path.length === 0 && schema instanceof z.ZodObject ? Object.keys(schema.shape) : [];
  return nearNamesHint(issue.keys[0] ?? '', known, `Leave it out: ${where} does not have it there.`);
}

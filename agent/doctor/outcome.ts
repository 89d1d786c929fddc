import { AppError, errorMessage } from '../../shared/core/errors.ts';
import type { Outcome } from './evidence.ts';

/** What came of it, or why not. */
export async function outcomeOf<Value>(look: () => Promise<Value>): Promise<Outcome<Value>> {
  try {
    return { ok: true, value: await look() };
  } catch (error) {
    return { ok: false, message: errorMessage(error), hint: error instanceof AppError ? (error.hint ?? null) : null };
  }
}

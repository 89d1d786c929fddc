import { readFileSync } from 'node:fs';
import { errnoOf } from '../../shared/core/errors.ts';
import { parseProcessStat } from './hook-wrapper.ts';

/** Null when there is no such process. */
export function readStat(pid: number): ReturnType<typeof parseProcessStat> {
  try {
    return parseProcessStat(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ESRCH') return null;
    throw error;
  }
}

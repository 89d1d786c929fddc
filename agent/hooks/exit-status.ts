import type { ExitStatus } from '../host/process-runner.ts';

/** What the wrapper wrote; null while it has not written all of it. */
export function parseExitStatus(text: string): ExitStatus | null {
  if (!text.endsWith('\n')) return null;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // A host that lost its power can leave any bytes here; that is the same as no status.
    return null;
  }
  if (typeof value !== 'object' || value === null || !('exitCode' in value) || !('signal' in value)) return null;
  const { exitCode, signal } = value;
  if (typeof exitCode === 'number' && signal === null) return { exitCode, signal: null };
  if (exitCode === null && typeof signal === 'string') return { exitCode: null, signal };
  return null;
}

export function hasSucceeded(status: ExitStatus): boolean {
  return status.exitCode === 0;
}

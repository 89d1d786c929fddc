export type ByteRange =
  | { kind: 'all' }
  | { kind: 'part'; start: number; end: number }
  /** Beyond the end: 416. */
  | { kind: 'unsatisfiable' };

/**
 * A `Range` header against a body of `sizeBytes`. One range of bytes is honoured; anything else, and what cannot be read, is
 * answered with the whole body, as RFC 9110, section 14.2 allows.
 */
export function parseRange(header: string | undefined, sizeBytes: number): ByteRange {
  const match = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header?.trim() ?? '');
  if (match === null) return { kind: 'all' };
  const [first, last] = [match[1] ?? '', match[2] ?? ''];
  if (first === '' && last === '') return { kind: 'all' };
  if (first === '') {
    const suffixBytes = Number(last);
    if (suffixBytes === 0 || sizeBytes === 0) return { kind: 'unsatisfiable' };
    return { kind: 'part', start: Math.max(0, sizeBytes - suffixBytes), end: sizeBytes - 1 };
  }
  const start = Number(first);
  const end = last === '' ? sizeBytes - 1 : Math.min(Number(last), sizeBytes - 1);
  if (last !== '' && Number(last) < start) return { kind: 'all' };
  return start >= sizeBytes ? { kind: 'unsatisfiable' } : { kind: 'part', start, end };
}

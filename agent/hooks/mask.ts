/** Shorter values would blacken ordinary words. */
export const MIN_SECRET_BYTES = 6;
/** What is longer is recognised by its beginning. */
const MAX_SECRET_BYTES = 4_096;

/**
 * Replaces secrets by as many asterisks as they have bytes, so that places in an output stay what they were: output is sent and
 * acknowledged by byte. Every occurrence counts, overlapping ones too, so what a piece of output looks like does not
 * depend on where it was cut, given {@link reachBytes} more on both sides.
 */
export interface Mask {
  readonly isEmpty: boolean;
  /** How far a secret that touches a byte may extend from it. */
  readonly reachBytes: number;
  /** A copy with asterisks; the very same bytes when there is nothing to hide. */
  apply(bytes: Buffer): Buffer;
  /** How many of the last bytes may be the beginning of a secret that is not written to its end yet. */
  unfinishedBytes(bytes: Buffer): number;
}

export function createMask(secrets: Iterable<string>): Mask {
  const values = [...new Set(secrets)]
    .map((secret) => Buffer.from(secret).subarray(0, MAX_SECRET_BYTES))
    .filter((value) => value.length >= MIN_SECRET_BYTES);
  const longest = values.reduce((max, value) => Math.max(max, value.length), 0);
  return {
    isEmpty: values.length === 0,
    reachBytes: Math.max(0, longest - 1),
    apply(bytes) {
      let masked: Buffer | null = null;
      for (const value of values)
        for (let at = bytes.indexOf(value); at !== -1; at = bytes.indexOf(value, at + 1)) {
          masked ??= Buffer.from(bytes);
          masked.fill('*', at, at + value.length);
        }
      return masked ?? bytes;
    },
    unfinishedBytes(bytes) {
      for (let length = Math.min(longest - 1, bytes.length); length > 0; length--) {
        const end = bytes.subarray(bytes.length - length);
        if (values.some((value) => value.length > length && value.subarray(0, length).equals(end))) return length;
      }
      return 0;
    },
  };
}

/**
 * The secrets in a file: the values of `NAME=value`, `name: value` and `"name": "value"` lines, and every other line as it is.
 * Comments and quotes around a value are left out.
 */
export function secretsIn(text: string): string[] {
  const secrets: string[] = [];
  for (const line of text.split(/\r?\n/)) {
    const trimmed = line.trim();
    if (trimmed === '' || trimmed.startsWith('#') || /^-----.*-----$/.test(trimmed)) continue;
    const value = /^(?:export\s+)?["']?[\w.-]+["']?\s*(?:=|:\s)\s*(.+)$/.exec(trimmed)?.[1] ?? trimmed;
    secrets.push(unquoted(value.replace(/,$/, '').trim()));
    // A token may hold an equals sign itself.
    if (value !== trimmed && /=/.test(trimmed)) secrets.push(trimmed);
  }
  return secrets.filter((secret) => Buffer.byteLength(secret) >= MIN_SECRET_BYTES);
}

function unquoted(value: string): string {
  const match = /^(["'])(.*)\1$/.exec(value);
  return match?.[2] ?? value;
}

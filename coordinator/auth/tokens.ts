import { createHash, timingSafeEqual } from 'node:crypto';

/**
 * What is stored of a secret: its SHA-256 in hex. Secrets carry 192 random bits, so a slow hash would protect nothing more,
 * and looking up the hash tells an attacker who measures time only about hashes, which cannot be steered.
 */
export function hashSecret(secret: string): string {
  return createHash('sha256').update(secret, 'utf8').digest('hex');
}

/** Equal or not, in a time that does not depend on where they differ. */
export function isSameHash(a: string, b: string): boolean {
  const left = Buffer.from(a, 'utf8');
  const right = Buffer.from(b, 'utf8');
  return left.length === right.length && timingSafeEqual(left, right);
}

/** The secret of an `Authorization: Bearer …` header, or null when there is none in that form. */
export function bearerSecret(header: string | undefined): string | null {
  const match = /^Bearer +([A-Za-z0-9._~+/=-]{1,256}) *$/i.exec(header ?? '');
  return match?.[1] ?? null;
}

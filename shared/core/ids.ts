import type { Randomness } from './randomness.ts';

declare const brand: unique symbol;
type Branded<Name extends string> = string & { readonly [brand]: Name };

export type DeploymentId = Branded<'DeploymentId'>;
export type DeploymentGroupId = Branded<'DeploymentGroupId'>;
export type RevisionId = Branded<'RevisionId'>;
export type HostId = Branded<'HostId'>;

const UPPER = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789';
const LOWER = 'abcdefghijklmnopqrstuvwxyz0123456789';

/** `d-` and nine of A-Z0-9, as clients of CodeDeploy parse it. */
export function newDeploymentId(randomness: Randomness): DeploymentId {
  return `d-${randomText(randomness, UPPER, 9)}` as DeploymentId;
}

export function newRevisionId(randomness: Randomness): RevisionId {
  return `r-${randomText(randomness, LOWER, 12)}` as RevisionId;
}

/** `u-` and nine of A-Z0-9: an agent update. */
export function newAgentUpdateId(randomness: Randomness): string {
  return `u-${randomText(randomness, UPPER, 9)}`;
}

export function newHostId(randomness: Randomness): HostId {
  return `h-${randomText(randomness, LOWER, 12)}` as HostId;
}

/** A version 4 UUID: a group that is deleted and created again gets another one. */
export function newDeploymentGroupId(randomness: Randomness): DeploymentGroupId {
  return newUuid(randomness) as DeploymentGroupId;
}

export function newUuid(randomness: Randomness): string {
  const bytes = Uint8Array.from(randomness.bytes(16));
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/** A secret with a prefix that says what it opens, for example `drover_join_…`: 192 random bits. */
export function newSecret(prefix: string, randomness: Randomness): string {
  return `${prefix}_${randomText(randomness, `${UPPER}${LOWER.slice(0, 26)}`, 33)}`;
}

/** 20 characters as AWS's have, with a beginning of our own: `DROV` for a lasting key, `DROS` for one with a session. */
export function newAccessKeyId(randomness: Randomness, options: { isSession: boolean }): string {
  return `${options.isSession ? 'DROS' : 'DROV'}${randomText(randomness, UPPER, 16)}`;
}

function randomText(randomness: Randomness, alphabet: string, length: number): string {
  let text = '';
  while (text.length < length)
    for (const byte of randomness.bytes(length)) {
      // Bytes past the last whole multiple would make the first letters likelier than the others.
      if (byte >= 256 - (256 % alphabet.length) || text.length === length) continue;
      text += alphabet[byte % alphabet.length];
    }
  return text;
}

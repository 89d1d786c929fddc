import { createPrivateKey, createPublicKey, type KeyObject, sign } from 'node:crypto';
import { dirname } from 'node:path';
import * as z from 'zod';
import { AppError, wrapError } from '../../shared/core/errors.ts';
import type { Randomness } from '../../shared/core/randomness.ts';
import { signedText } from '../../shared/protocol/messages.ts';
import type { Disk } from '../host/disk.ts';

const MAX_IDENTITY_BYTES = 16 * 1_024;
/** DER before the 32 bytes of an Ed25519 private key. Source: RFC 8410, 7. */
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex');
const RAW_KEY_BYTES = 32;

/** identity.json, 0600: the host's own key, and who it is to which coordinator once it has enrolled. */
const identityFile = z.object({
  /** The 32 secret bytes of the Ed25519 key, base64. */
  privateKey: z.base64().length(44),
  enrolment: z
    .object({
      hostId: z.string().min(1),
      hostName: z.string(),
      coordinatorId: z.string(),
      coordinatorUrl: z.string(),
      enrolledAt: z.number().int(),
    })
    .nullable(),
});
export type Identity = z.infer<typeof identityFile>;
export type Enrolment = NonNullable<Identity['enrolment']>;

/** Null when there is none. @throws AppError when it is unreadable. */
export async function loadIdentity(disk: Disk, path: string): Promise<Identity | null> {
  if ((await disk.status(path)) === null) return null;
  try {
    return identityFile.parse(JSON.parse((await disk.readFile(path, MAX_IDENTITY_BYTES)).toString('utf8')));
  } catch (error) {
    throw new AppError('internal', `the identity ${path} is unreadable`, {
      hint: 'Restore the file, or remove it and enrol this host again.',
      cause: error,
    });
  }
}

export function createIdentity(randomness: Randomness): Identity {
  return { privateKey: Buffer.from(randomness.bytes(RAW_KEY_BYTES)).toString('base64'), enrolment: null };
}

export async function saveIdentity(disk: Disk, path: string, identity: Identity): Promise<void> {
  try {
    await disk.makeDirectory(dirname(path), { recursive: true, mode: 0o711 });
    await disk.writeFileDurably(path, `${JSON.stringify(identity, null, 2)}\n`, 0o600);
  } catch (error) {
    throw wrapError(`write the identity ${path}`, error);
  }
}

/** The raw public key, 32 bytes in base64. */
export function publicKeyOf(identity: Identity): string {
  const spki = createPublicKey(keyOf(identity)).export({ format: 'der', type: 'spki' });
  return spki.subarray(-RAW_KEY_BYTES).toString('base64');
}

/** Ed25519 over {@link signedText}, base64: proves to one coordinator, once, that this host holds its key. */
export function proveHost(
  identity: Identity,
  challenge: { nonce: string; coordinatorId: string; hostId: string },
): string {
  const text = signedText(challenge.nonce, challenge.coordinatorId, challenge.hostId);
  return sign(null, Buffer.from(text), keyOf(identity)).toString('base64');
}

/** Read once for each identity: reading a key costs several times as much as signing with it. */
const keys = new WeakMap<Identity, KeyObject>();

function keyOf(identity: Identity): KeyObject {
  const known = keys.get(identity);
  if (known !== undefined) return known;
  const der = Buffer.concat([PKCS8_PREFIX, Buffer.from(identity.privateKey, 'base64')]);
  const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  keys.set(identity, key);
  return key;
}

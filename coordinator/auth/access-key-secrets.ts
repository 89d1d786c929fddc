import { createHmac } from 'node:crypto';

/** What stands for a holder in AWS's clients. */
export interface AccessKeySecrets {
  secretAccessKey: string;
  sessionToken: string;
}

/** Bytes of the coordinator's key for access keys: as many as the hash has. */
export const ACCESS_KEY_MASTER_BYTES = 32;
/** 40 characters, as AWS's own secrets have. */
const SECRET_BYTES = 30;

/**
 * The secrets of an access key id. To verify a signature the secret itself is needed, a hash of it will not do; so it is
 * computed from the id and a key that is in a file beside the database, and is stored nowhere.
 * @param master {@link ACCESS_KEY_MASTER_BYTES} random bytes
 */
export function accessKeySecrets(master: Uint8Array, accessKeyId: string): AccessKeySecrets {
  const derive = (purpose: string) => createHmac('sha256', master).update(`drover ${purpose} ${accessKeyId}`).digest();
  return {
    secretAccessKey: derive('secret access key').subarray(0, SECRET_BYTES).toString('base64url'),
    sessionToken: derive('session token').toString('base64url'),
  };
}

import { createPublicKey, type KeyObject, verify } from 'node:crypto';
import { signedText } from '../../shared/protocol/messages.ts';

const PUBLIC_KEY_BYTES = 32;
const SIGNATURE_BYTES = 64;

export interface HostProof {
  nonce: string;
  coordinatorId: string;
  hostId: string;
  /** Base64 of the raw key, 32 bytes. */
  publicKey: string;
  /** Base64 of an Ed25519 signature over `signedText`, 64 bytes. */
  signature: string;
}

/** True when the holder of the host's private key signed this very challenge of this very coordinator. Never throws. */
export function isValidHostProof(proof: HostProof): boolean {
  const key = parsePublicKey(proof.publicKey);
  const signature = Buffer.from(proof.signature, 'base64');
  if (key === null || signature.length !== SIGNATURE_BYTES) return false;
  const text = Buffer.from(signedText(proof.nonce, proof.coordinatorId, proof.hostId), 'utf8');
  return verify(null, text, key, signature);
}

/** A raw Ed25519 public key, or null when it is none. */
export function parsePublicKey(publicKeyBase64: string): KeyObject | null {
  const raw = Buffer.from(publicKeyBase64, 'base64');
  if (raw.length !== PUBLIC_KEY_BYTES) return null;
  try {
    // As a JWK (RFC 8037), which Node takes for the raw key that it is; reading the same as DER takes eight times as long.
    return createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: raw.toString('base64url') }, format: 'jwk' });
  } catch {
    // Not a key at all: for the caller the same as a wrong one.
    return null;
  }
}

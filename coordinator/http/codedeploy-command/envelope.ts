import { createPrivateKey, generateKeyPair, type KeyObject, sign } from 'node:crypto';
import { promisify } from 'node:util';
import forge from 'node-forge';

/** Signs texts as AWS's agent wants deployment specifications: PKCS #7 signed data with the text inside, as PEM. */
export interface EnvelopeSigner {
  sign(text: string): Promise<string>;
  /** Gets the key before it is needed: making one takes some tenths of a second. Nobody waits for it. */
  prepare(): void;
}

/** One of each deployment is asked for by every host of it, once for each event. */
const MAX_KEPT = 64;
const KEY_BITS = 2_048;
const YEARS_VALID = 20;

/**
 * @param identity the key and certificate as {@link newSigningIdentity} made them, asked for when the first text is signed
 */
export function createEnvelopeSigner(identity: () => Promise<string>): EnvelopeSigner {
  let loading: Promise<Signer> | null = null;
  const kept = new Map<string, string>();
  const load = (): Promise<Signer> => {
    loading ??= identity()
      .then(parseIdentity)
      .catch((error: unknown) => {
        // A file that could not be read may be there the next time.
        loading = null;
        throw error;
      });
    return loading;
  };
  return {
    async sign(text) {
      const known = kept.get(text);
      if (known !== undefined) return known;
      const signed = signWith(await load(), text);
      kept.set(text, signed);
      const oldest = kept.keys().next();
      if (kept.size > MAX_KEPT && !oldest.done) kept.delete(oldest.value);
      return signed;
    },
    prepare() {
      // Who signs hears of the failure.
      load().catch(() => undefined);
    },
  };
}

interface Signer {
  key: KeyObject;
  certificate: forge.pki.Certificate;
}

/**
 * A key and a certificate that it signed itself, as PEM. No agent checks a chain: the certificate carries the key, and what
 * vouches for it is the coordinator's TLS.
 */
export async function newSigningIdentity(now: number, serialNumber: string): Promise<string> {
  const pair = await promisify(generateKeyPair)('rsa', { modulusLength: KEY_BITS });
  const keyPem = pair.privateKey.export({ type: 'pkcs1', format: 'pem' }).toString();
  const key = forge.pki.privateKeyFromPem(keyPem);
  const certificate = forge.pki.createCertificate();
  certificate.publicKey = forge.pki.setRsaPublicKey(key.n, key.e);
  certificate.serialNumber = serialNumber;
  certificate.validity.notBefore = new Date(now);
  certificate.validity.notAfter = new Date(now);
  certificate.validity.notAfter.setUTCFullYear(certificate.validity.notAfter.getUTCFullYear() + YEARS_VALID);
  const name = [{ name: 'commonName', value: 'deployment specifications of Drover' }];
  certificate.setSubject(name);
  certificate.setIssuer(name);
  certificate.sign(key, forge.md.sha256.create());
  return `${keyPem.trim()}\n${forge.pki.certificateToPem(certificate).replaceAll('\r', '')}`;
}

function parseIdentity(pem: string): Signer {
  const [keyPem = '', certificatePem = ''] = pem.split(/(?=-----BEGIN CERTIFICATE-----)/);
  return { key: createPrivateKey(keyPem), certificate: forge.pki.certificateFromPem(certificatePem) };
}

function signWith({ key, certificate }: Signer, text: string): string {
  const message = forge.pkcs7.createSignedData();
  message.content = forge.util.createBuffer(text, 'utf8');
  message.addCertificate(certificate);
  // Node signs in a millisecond what would hold the event loop for fifty in JavaScript. Without signed attributes the
  // signature is one over the text itself.
  const native = { sign: () => sign('sha256', Buffer.from(text, 'utf8'), key).toString('latin1') };
  message.addSigner({
    key: native as unknown as forge.pki.rsa.PrivateKey,
    certificate,
    digestAlgorithm: forge.pki.oids.sha256 ?? '',
    authenticatedAttributes: [],
  });
  message.sign();
  return forge.pkcs7.messageToPem(message).replaceAll('\r', '');
}

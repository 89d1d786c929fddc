import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import { AppError, errorMessage } from '../shared/core/errors.ts';
import type { Logger } from '../shared/core/logger.ts';
import type { CoordinatorConfig } from './config.ts';

/** What the coordinator shows of itself to whoever connects, as PEM. */
export interface Certificate {
  /** With its chain. */
  cert: string;
  key: string;
  /** Its end, ms since 1970. */
  expiresAt: number;
}

/** An end that is nearer is worth a word, ms: `drover-agent doctor` warns as early. */
const WARN_BEFORE_MS = 14 * 86_400_000;

/** Says when the end is near, or past. */
export function warnOfEnd({ expiresAt }: Certificate, now: number, logger: Logger): void {
  if (expiresAt - now < WARN_BEFORE_MS)
    logger.warn(
      { expiresAt: new Date(expiresAt).toISOString() },
      expiresAt < now ? 'the certificate has expired: nobody connects' : 'the certificate expires soon',
    );
}

/**
 * @returns null when the configuration has none
 * @throws AppError `invalid` when a file cannot be read, or the two are no certificate and its key
 */
export async function readCertificate(tls: CoordinatorConfig['tls']): Promise<Certificate | null> {
  if (tls === null) return null;
  const read = async (key: 'certFile' | 'keyFile', path: string) => {
    try {
      return await readFile(path, 'utf8');
    } catch (error) {
      throw new AppError('invalid', `tls.${key}: cannot read ${path}: ${errorMessage(error)}`, { cause: error });
    }
  };
  const { certFile, keyFile } = tls;
  const pair = { cert: await read('certFile', certFile), key: await read('keyFile', keyFile) };
  try {
    createSecureContext(pair);
    return { ...pair, expiresAt: Date.parse(new X509Certificate(pair.cert).validTo) };
  } catch (error) {
    throw new AppError(
      'invalid',
      `tls: ${certFile} and ${keyFile} are no certificate and its key: ${errorMessage(error)}`,
      {
        cause: error,
        hint: 'Both are PEM files, and the key must be the one of the certificate.',
      },
    );
  }
}

import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Debian's. */
const OPENSSL = '/usr/bin/openssl';

export interface TestCertificate {
  certFile: string;
  keyFile: string;
}

/**
 * A certificate for 127.0.0.1 that signs itself, below `directory`. `openssl ca`, since `req` cannot make one that has expired.
 * @returns null without openssl
 */
export function makeCertificate(directory: string, valid: { from: Date; to: Date }): TestCertificate | null {
  mkdirSync(directory, { recursive: true });
  const place = mkdtempSync(join(directory, 'certificate-'));
  const [keyFile, certFile, request] = ['key.pem', 'cert.pem', 'request.pem'].map((name) => join(place, name)) as [
    string,
    string,
    string,
  ];
  writeFileSync(join(place, 'index'), '');
  writeFileSync(join(place, 'serial'), '01\n');
  writeFileSync(join(place, 'ca.cnf'), CA_CONFIG);
  const run = (...args: string[]) => execFileSync(OPENSSL, args, { cwd: place, stdio: 'ignore' });
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', keyFile];
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1'];
  const time = (date: Date) => `${date.toISOString().replace(/\D/g, '').slice(0, 14)}Z`;
  try {
    run('req', '-new', ...key, ...subject, '-out', request);
    const span = ['-startdate', time(valid.from), '-enddate', time(valid.to)];
    run(
      'ca',
      '-batch',
      '-notext',
      '-config',
      'ca.cnf',
      '-selfsign',
      '-keyfile',
      keyFile,
      '-in',
      request,
      ...span,
      '-out',
      certFile,
    );
  } catch {
    return null;
  }
  return { certFile, keyFile };
}

const CA_CONFIG = `[ca]
default_ca = this
[this]
database = index
serial = serial
new_certs_dir = .
default_md = sha256
policy = anybody
copy_extensions = copy
[anybody]
commonName = supplied
`;

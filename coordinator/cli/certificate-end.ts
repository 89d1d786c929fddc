import { isIP } from 'node:net';
import { connect } from 'node:tls';
import type { Clock } from '../../shared/core/clock.ts';

const ANSWER_TIMEOUT_MS = 10_000;

/** When the certificate that an https server shows ends, epoch ms; null when it cannot be seen. Nothing is sent to the server. */
export function certificateEnd(url: URL, clock: Clock): Promise<number | null> {
  const host = url.hostname.replace(/^\[|\]$/g, '');
  return new Promise((resolve) => {
    const socket = connect({
      host,
      port: Number(url.port) || 443,
      // Whether it is trusted is not asked here.
      rejectUnauthorized: false,
      ...(isIP(host) === 0 ? { servername: host } : {}),
    });
    const end = (at: number) => {
      timer.cancel();
      socket.destroy();
      resolve(Number.isNaN(at) ? null : at);
    };
    const timer = clock.setTimer(ANSWER_TIMEOUT_MS, () => end(Number.NaN));
    socket.once('secureConnect', () => end(Date.parse(socket.getPeerCertificate().valid_to)));
    socket.once('error', () => end(Number.NaN));
  });
}

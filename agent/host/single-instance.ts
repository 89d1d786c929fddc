import { createHash } from 'node:crypto';
import { connect, createServer } from 'node:net';
import { resolve as resolvePath } from 'node:path';
import { AppError, errnoOf } from '../../shared/core/errors.ts';

/**
 * Makes this the only process on a state directory, for as long as it lives: two agents on one journal would destroy it. A name
 * in the kernel (abstract unix socket) and not a file, because the kernel takes it back however the process ends.
 * @throws AppError `conflict` when another process has it
 */
export function claimStateDirectory(stateDirectory: string): Promise<void> {
  // The name only has to be held: whoever connects is sent away.
  const server = createServer((socket) => socket.destroy());
  return new Promise((resolve, reject) => {
    server.once('error', (error) => {
      if (errnoOf(error) !== 'EADDRINUSE') return reject(error);
      reject(
        new AppError('conflict', `another drover-agent already works on ${stateDirectory}`, {
          hint: 'Stop it first (systemctl stop drover-agent), or give this one a stateDirectory of its own.',
        }),
      );
    });
    server.listen({ path: nameOf(stateDirectory) }, () => {
      server.unref();
      resolve();
    });
  });
}

/** Does a process work on it? Takes nothing, so that an agent that starts meanwhile is not sent away. */
export function isStateDirectoryClaimed(stateDirectory: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect({ path: nameOf(stateDirectory) });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', (error) => (errnoOf(error) === 'ECONNREFUSED' ? resolve(false) : reject(error)));
  });
}

function nameOf(stateDirectory: string): string {
  // However it is written.
  const name = createHash('sha256').update(resolvePath(stateDirectory)).digest('hex').slice(0, 32);
  return `\0drover-agent-${name}`;
}

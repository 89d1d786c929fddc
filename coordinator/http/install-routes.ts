import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { FastifyInstance, FastifyReply } from 'fastify';
import { AppError, errnoOf, errorMessage } from '../../shared/core/errors.ts';
import { compareVersions, parseAgentPackage } from '../domain/agent-packages.ts';
import type { RateLimits } from './rate-limits.ts';

const SCRIPT = 'install.sh';
const MAX_SCRIPT_BYTES = 1_048_576;
/** More packages than anybody offers. */
const MAX_FILES = 100;
/** What a package's file may be called: no path, nothing hidden. */
const FILE_NAME = /^[A-Za-z0-9][A-Za-z0-9._+~-]{0,127}$/;
/** A `Host` header that may stand in a shell script. */
const HOST = /^[A-Za-z0-9.:[\]-]{1,255}$/;

/**
 * What a new host asks before it has an agent, so without a token: the script that installs one, the packages, their digests,
 * and the certificate for those who pinned its key. `curl -fsS https://coordinator/install.sh | sh -s -- --join TOKEN`
 * @param directory where packages and script are; `npm run package` and the coordinator's package fill it
 */
export function registerInstallRoutes(
  app: FastifyInstance,
  parts: { directory: string; certificate(): string | null; rateLimits: RateLimits },
): void {
  const limit = parts.rateLimits.system();
  const digests = createDigests();

  app.get('/install.sh', limit, async (request, reply) => {
    if (!HOST.test(request.host)) throw new AppError('invalid', 'the Host header is no address');
    const script = await readScript(parts.directory);
    return reply
      .type('text/x-shellscript; charset=utf-8')
      .header('cache-control', 'no-store')
      .send(script.replaceAll('@COORDINATOR_URL@', `${request.protocol}://${request.host}`));
  });
  app.get('/install/SHA256SUMS', limit, async (_request, reply) => {
    const lines: string[] = [];
    for (const name of await packagesIn(parts.directory))
      lines.push(`${await digests.of(join(parts.directory, name))}  ${name}\n`);
    return reply.type('text/plain').header('cache-control', 'no-store').send(lines.join(''));
  });
  app.get('/install/ca.crt', limit, async (_request, reply) => {
    const certificate = parts.certificate();
    if (certificate === null) throw new AppError('not_found', 'this coordinator has no certificate of its own');
    return reply.type('application/x-pem-file').send(certificate);
  });
  app.get<{ Params: { file: string } }>('/install/:file', limit, async (request, reply) => {
    const { file } = request.params;
    if (!(await packagesIn(parts.directory)).includes(file))
      throw new AppError('not_found', `${file} is not offered here`, {
        hint: `/install/SHA256SUMS has what is. Packages are put into ${parts.directory} (packagesDirectory).`,
      });
    return sendFile(join(parts.directory, file), reply);
  });
}

async function readScript(directory: string): Promise<string> {
  const path = join(directory, SCRIPT);
  try {
    const { size } = await stat(path);
    if (size > MAX_SCRIPT_BYTES) throw new AppError('internal', `${path} is no installation script: it is too long`);
    return await readFile(path, 'utf8');
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
    throw new AppError('not_found', 'this coordinator offers no packages', {
      hint: `packagesDirectory (${directory}) has no ${SCRIPT}: install the package drover-coordinator, or name the directory that npm run package made.`,
      cause: error,
    });
  }
}

/** What is no agent first, then the agent's versions, the oldest first: install.sh takes the last one. */
async function packagesIn(directory: string): Promise<string[]> {
  try {
    const names = (await readdir(directory, { withFileTypes: true })).filter(
      (entry) => entry.isFile() && entry.name !== SCRIPT && FILE_NAME.test(entry.name),
    );
    return names
      .map((entry) => entry.name)
      .sort(compareOffered)
      .slice(-MAX_FILES);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw new AppError('internal', `read ${directory}: ${errorMessage(error)}`, { cause: error });
  }
}

/** Versions as for an update of the fleet: a release is newer than its candidates. */
function compareOffered(a: string, b: string): number {
  const [first, second] = [parseAgentPackage(a), parseAgentPackage(b)];
  if (first === null || second === null) return Number(first !== null) - Number(second !== null) || (a < b ? -1 : 1);
  return compareVersions(first.version, second.version) || (a < b ? -1 : 1);
}

async function sendFile(path: string, reply: FastifyReply): Promise<FastifyReply> {
  const { size } = await stat(path);
  return reply.type('application/octet-stream').header('content-length', size).send(createReadStream(path));
}

/** SHA-256 of files, reckoned again only when a file has changed. */
function createDigests() {
  const known = new Map<string, { stamp: string; digest: string }>();
  return {
    async of(path: string): Promise<string> {
      const { size, mtimeMs } = await stat(path);
      const stamp = `${size} ${mtimeMs}`;
      const found = known.get(path);
      if (found?.stamp === stamp) return found.digest;
      const hash = createHash('sha256');
      await pipeline(createReadStream(path), hash);
      const digest = hash.digest('hex');
      if (known.size >= MAX_FILES) known.clear();
      known.set(path, { stamp, digest });
      return digest;
    },
  };
}

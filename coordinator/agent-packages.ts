import { createReadStream } from 'node:fs';
import { chmod, copyFile, mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { packDirectory } from '../shared/bundle/pack.ts';
import { AppError, errnoOf, errorMessage } from '../shared/core/errors.ts';
import { type AgentPackage, parseAgentPackage } from './domain/agent-packages.ts';
import type { AgentPackages } from './services/agent-updates/agent-packages.ts';

/** Beside the packages: what is put together with them to a bundle. */
const SCRIPTS = 'agent-update';
/** More packages than anybody offers. */
const MAX_FILES = 100;

/**
 * Packages in a directory, which `npm run package` and the coordinator's package fill.
 * @param parts scratch: a directory of our own, which is there only while a bundle is made
 */
export function createAgentPackages(parts: { directory: string; scratch: string }): AgentPackages {
  /** One at a time: they share the scratch directory. */
  let making: Promise<unknown> = Promise.resolve();

  const list = async (): Promise<AgentPackage[]> => {
    const names = await namesIn(parts.directory);
    return names.flatMap((name) => parseAgentPackage(name) ?? []).slice(0, MAX_FILES);
  };

  async function layOut(version: string): Promise<string> {
    const files = (await list()).filter((one) => one.version === version);
    const scripts = await namesIn(join(parts.directory, SCRIPTS));
    if (files.length === 0 || scripts.length === 0)
      throw new AppError('not_found', `${parts.directory} has no ${files.length === 0 ? version : `${SCRIPTS}/`}`, {
        hint: 'Install the package drover-coordinator, or name the directory that npm run package made (packagesDirectory).',
      });
    const tree = join(parts.scratch, 'tree');
    await rm(parts.scratch, { recursive: true, force: true });
    await mkdir(join(tree, 'packages'), { recursive: true, mode: 0o755 });
    // Modes are a part of the digest, and those of the directory are its owner's business.
    const place = async (from: string, to: string, mode: number) => {
      await copyFile(from, to);
      await chmod(to, mode);
    };
    for (const name of scripts)
      await place(join(parts.directory, SCRIPTS, name), join(tree, name), name.endsWith('.sh') ? 0o755 : 0o644);
    for (const { file } of files) await place(join(parts.directory, file), join(tree, 'packages', file), 0o644);
    await chmod(join(tree, 'packages'), 0o755);
    await writeFile(join(tree, 'VERSION'), `${version}\n`);
    await chmod(join(tree, 'VERSION'), 0o644);
    return tree;
  }

  return {
    list,
    withBundle(version, use) {
      const made = making.then(async () => {
        try {
          const toPath = join(parts.scratch, 'bundle.tgz');
          const packed = await packDirectory({ directory: await layOut(version), toPath });
          return await use({ ...packed, open: () => createReadStream(toPath) });
        } finally {
          await rm(parts.scratch, { recursive: true, force: true });
        }
      });
      // Who asked gets the failure; the next one begins all the same.
      making = made.catch(() => {});
      return made;
    },
  };
}

async function namesIn(directory: string): Promise<string[]> {
  try {
    const entries = await readdir(directory, { withFileTypes: true });
    return entries.flatMap((entry) => (entry.isFile() ? [entry.name] : [])).sort();
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw new AppError('internal', `read ${directory}: ${errorMessage(error)}`, { cause: error });
  }
}

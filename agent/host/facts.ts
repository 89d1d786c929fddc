import { createHash } from 'node:crypto';
import { arch, cpus, hostname, release, totalmem } from 'node:os';
import { clip } from '../../shared/core/bounded.ts';
import type { HostFacts } from '../../shared/model/host.ts';
import type { Disk } from './disk.ts';

const MAX_FACT_FILE_BYTES = 16 * 1_024;
/** Where .ci/package.mjs puts it. */
const PACKAGED_NODE = '/usr/lib/drover-agent/node';
/** There while dpkg knows the package. systemd/agent-update/place.sh asks dpkg itself, which also knows one that was removed. */
const DPKG_LIST = '/var/lib/dpkg/info/drover-agent.list';

/**
 * What this host says of itself. Read from the kernel and /etc directly: `systeminformation` tells the same and costs 4 MB
 * of an idle agent's memory. What cannot be read is left out.
 * @param at program: the file that this process runs
 */
export async function collectFacts(
  disk: Pick<Disk, 'readPart' | 'freeBytes' | 'status'>,
  { stateDirectory, program }: { stateDirectory: string; program: string },
): Promise<HostFacts> {
  const [osRelease, machineId, bootId, agentPackage, diskFreeBytes] = await Promise.all([
    readText(disk, '/etc/os-release'),
    readText(disk, '/etc/machine-id'),
    readText(disk, '/proc/sys/kernel/random/boot_id'),
    packageOf(disk, program),
    // A fact is worth less than a connection, so one that fails is simply missing.
    disk.freeBytes(stateDirectory).catch(() => undefined),
  ]);
  const { osName, osVersion } = parseOsRelease(osRelease);
  return {
    hostname: clip(hostname(), 255),
    kernel: clip(release(), 128),
    architecture: clip(arch(), 32),
    cpuCount: cpus().length,
    memoryBytes: totalmem(),
    ...(osName === undefined ? {} : { osName }),
    ...(osVersion === undefined ? {} : { osVersion }),
    ...(diskFreeBytes === undefined ? {} : { diskFreeBytes }),
    ...(machineId === '' ? {} : { machineId: createHash('sha256').update(machineId).digest('hex') }),
    ...(bootId === '' ? {} : { bootId: clip(bootId, 64) }),
    ...(agentPackage === null ? {} : { agentPackage }),
  };
}

/** What installed the Node that runs the agent: only what comes from a package has one of its own. */
async function packageOf(disk: Pick<Disk, 'status'>, program: string): Promise<'deb' | 'archive' | null> {
  if (program !== PACKAGED_NODE) return null;
  const list = await disk.status(DPKG_LIST).catch(() => null);
  return list === null ? 'archive' : 'deb';
}

/** NAME and VERSION_ID. Source: os-release(5). */
export function parseOsRelease(text: string): { osName?: string; osVersion?: string } {
  const value = (key: string) => new RegExp(`^${key}=["']?(.*?)["']?$`, 'm').exec(text)?.[1];
  const [osName, osVersion] = [value('NAME'), value('VERSION_ID')];
  return {
    ...(osName === undefined ? {} : { osName: clip(osName, 128) }),
    ...(osVersion === undefined ? {} : { osVersion: clip(osVersion, 128) }),
  };
}

async function readText(disk: Pick<Disk, 'readPart'>, path: string): Promise<string> {
  try {
    return (await disk.readPart(path, 0, MAX_FACT_FILE_BYTES)).toString('utf8').trim();
  } catch {
    // Not every host has every one of these files, and no fact is needed.
    return '';
  }
}

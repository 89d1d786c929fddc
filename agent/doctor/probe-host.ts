import { AppError, errnoOf, errorMessage } from '../../shared/core/errors.ts';
import type { AgentConfig } from '../config.ts';
import { loadIdentity } from '../connection/identity.ts';
import type { Layout } from '../deployment/layout.ts';
import type { Disk } from '../host/disk.ts';
import type { ProcessRunner } from '../host/process-runner.ts';
import { readJournal } from '../journal/journal.ts';
import type { HostEvidence, Outcome, SurroundingsEvidence, ToldStatus, Tool, UnitEvidence } from './evidence.ts';
import { outcomeOf } from './outcome.ts';

const TOOL_TIMEOUT_MS = 10_000;

export interface HostProbeParts {
  disk: Disk;
  run: ProcessRunner['run'];
  account: { uid: number; name: string };
  configPath: string;
  config: AgentConfig;
  layout: Layout;
  isClaimed(): Promise<boolean>;
  toldStatus(): Promise<ToldStatus | null>;
}

/** Looks, and changes nothing. */
export async function probeHost(parts: HostProbeParts): Promise<HostEvidence> {
  const { disk, config, layout } = parts;
  const [configStatus, directory, isClaimed, told, journal, space, identity] = await Promise.all([
    disk.status(parts.configPath),
    readable(parts, config.stateDirectory, async () => {
      const status = await disk.status(config.stateDirectory);
      return status && { isDirectory: status.kind === 'directory', mode: status.mode, uid: status.uid };
    }),
    outcomeOf(parts.isClaimed),
    readable(parts, layout.status, parts.toldStatus),
    readable(parts, layout.journal, async () => {
      const state = await readJournal(disk, layout.journal);
      return state && { unfinishedDeployments: state.deployments.length, unacknowledgedReports: state.reports.length };
    }),
    probeSpace(parts),
    readable(parts, layout.identity, async () => {
      const status = await disk.status(layout.identity);
      const read = await loadIdentity(disk, layout.identity);
      return status && read && { path: layout.identity, mode: status.mode, enrolment: read.enrolment };
    }),
  ]);
  return {
    account: parts.account,
    configuration: { path: parts.configPath, mode: configStatus?.mode ?? null },
    stateDirectory: config.stateDirectory,
    directory,
    isClaimed,
    told,
    journal,
    space,
    reserveBytes: config.limits.reserveBytes,
    identity,
  };
}

export async function probeSurroundings(
  parts: Pick<HostProbeParts, 'disk' | 'run' | 'account'>,
): Promise<SurroundingsEvidence> {
  const [tools, unit] = await Promise.all([probeTools(parts), outcomeOf(() => probeUnit(parts.run))]);
  return { account: parts.account, tools, unit };
}

/** What another user owns is no fault of the file's. */
function readable<Value>(parts: HostProbeParts, path: string, look: () => Promise<Value>): Promise<Outcome<Value>> {
  return outcomeOf(() =>
    look().catch((error: unknown) => {
      const errno = errnoOf(error) ?? errnoOf((error as { cause?: unknown }).cause);
      if (errno !== 'EACCES' && errno !== 'EPERM') throw error;
      throw new AppError('forbidden', `${parts.account.name} may not read ${path}`, {
        hint: "Run this command as the agent's user: sudo drover-agent doctor",
        cause: error,
      });
    }),
  );
}

/** Where bundles are kept, and where they are installed. */
async function probeSpace({ disk, config }: HostProbeParts): Promise<HostEvidence['space']> {
  const paths = [...new Set([config.stateDirectory, config.installRoot])];
  const space: HostEvidence['space'] = [];
  for (const path of paths) {
    const freeBytes = await outcomeOf(() => disk.freeBytes(path));
    // A directory that is missing is told of already.
    if (freeBytes.ok || path === config.installRoot) space.push({ path, freeBytes });
  }
  return space;
}

/** The agent calls two by their path, and finds the others by PATH. */
async function probeTools({ disk, run }: Pick<HostProbeParts, 'disk' | 'run'>): Promise<Record<Tool, boolean>> {
  const isFile = async (path: string) => (await disk.status(path).catch(() => null)) !== null;
  const isFound = async (name: string) =>
    (await run('/bin/sh', ['-c', 'command -v "$1"', 'sh', name], TOOL_TIMEOUT_MS).catch(() => null))?.exitCode === 0;
  return {
    setpriv: await isFile('/usr/bin/setpriv'),
    setfacl: await isFound('setfacl'),
    'systemd-run': await isFile('/usr/bin/systemd-run'),
    sync: await isFound('sync'),
  };
}

async function probeUnit(run: ProcessRunner['run']): Promise<UnitEvidence> {
  const properties = ['LoadState', 'ActiveState', 'KillMode', 'UnitFileState'];
  const result = await run(
    'systemctl',
    ['show', 'drover-agent.service', `--property=${properties.join(',')}`],
    TOOL_TIMEOUT_MS,
  ).catch((error: unknown) => {
    throw new AppError('not_found', `systemctl: ${errorMessage(error)}`, { cause: error });
  });
  if (result.exitCode !== 0)
    throw new AppError('unavailable', firstLine(result.stderr) || `systemctl ended with ${result.exitCode}`);
  const values = new Map(result.stdout.split('\n').map((line) => splitAtEquals(line)));
  const value = (name: string) => values.get(name) ?? '';
  return {
    loadState: value('LoadState'),
    activeState: value('ActiveState'),
    killMode: value('KillMode'),
    unitFileState: value('UnitFileState'),
  };
}

function splitAtEquals(line: string): [string, string] {
  const at = line.indexOf('=');
  return [line.slice(0, at), line.slice(at + 1)];
}

function firstLine(text: string): string {
  return text.trim().split('\n', 1)[0] ?? '';
}

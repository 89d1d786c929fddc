import type { LeftOutReason } from '../../shared/model/agent-update.ts';

/** A package of the agent that the coordinator offers. */
export interface AgentPackage {
  file: string;
  version: string;
  /** As Debian calls it: `amd64`. */
  architecture: string;
  kind: 'deb' | 'archive';
}

const FILE_NAME = /^drover-agent_([0-9][0-9A-Za-z.+~-]*)_(amd64|arm64)\.(deb|tar\.gz)$/;
/** As Node calls an architecture, and as Debian does. */
const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' };

/** What a file's name says; null for any other file. */
export function parseAgentPackage(file: string): AgentPackage | null {
  const [, version, architecture, suffix] = FILE_NAME.exec(file) ?? [];
  if (version === undefined || architecture === undefined) return null;
  return { file, version, architecture, kind: suffix === 'deb' ? 'deb' : 'archive' };
}

/** Negative when `a` is the older one. Digits count as numbers, and what a tilde begins comes before the version itself, as with Debian. */
export function compareVersions(a: string, b: string): number {
  const [first, second] = [pieces(a), pieces(b)];
  for (let i = 0; i < Math.max(first.length, second.length); i++) {
    const order = comparePieces(first[i] ?? '', second[i] ?? '');
    if (order !== 0) return order;
  }
  return 0;
}

function pieces(version: string): string[] {
  return version.match(/\d+|\D/g) ?? [];
}

function comparePieces(a: string, b: string): number {
  if (a === b) return 0;
  if (/^\d/.test(a) && /^\d/.test(b)) return Number(a) - Number(b);
  return rank(a) - rank(b) || (a < b ? -1 : 1);
}

/** Tilde, the end, what separates, a number. */
function rank(piece: string): number {
  if (piece === '~') return 0;
  if (piece === '') return 1;
  return /^\d/.test(piece) ? 3 : 2;
}

/** Versions that there are packages of, the newest first. */
export function offeredVersions(packages: readonly AgentPackage[]): string[] {
  return [...new Set(packages.map((one) => one.version))].sort((a, b) => compareVersions(b, a));
}

/** What is known of a host when an agent update looks for those that it concerns. */
export interface UpdateCandidate {
  agentKind: 'drover' | 'codedeploy';
  agentVersion: string | null;
  architecture: string | undefined;
  agentPackage: string | undefined;
}

/** Whether an update to `version` concerns a host, wherever it is now; or why not. */
export function judgeCandidate(
  host: UpdateCandidate,
  wanted: { version: string; packages: readonly AgentPackage[]; downgrade: boolean },
): 'current' | 'outdated' | LeftOutReason {
  if (host.agentKind === 'codedeploy') return 'aws-agent';
  if (host.agentVersion === wanted.version) return 'current';
  const { agentPackage: kind } = host;
  if (kind !== 'deb' && kind !== 'archive') return 'not-from-package';
  const architecture = ARCHITECTURES[host.architecture ?? ''];
  const fits = (one: AgentPackage) =>
    one.version === wanted.version && one.kind === kind && one.architecture === architecture;
  if (!wanted.packages.some(fits)) return 'no-package';
  const isNewer = host.agentVersion !== null && compareVersions(host.agentVersion, wanted.version) > 0;
  return isNewer && !wanted.downgrade ? 'newer' : 'outdated';
}

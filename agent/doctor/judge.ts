import type { HostEvidence, Outcome, SurroundingsEvidence, Tool, UnitEvidence } from './evidence.ts';

/** One line of `drover-agent doctor`. */
export interface Check {
  name: string;
  result: 'fine' | 'warning' | 'wrong';
  text: string;
  /** What to do; null when nothing is. */
  remedy: string | null;
}

const MIB = 1_024 * 1_024;
/** Room beyond the reserve below which a deployment may not fit, bytes. */
const LITTLE_ROOM_BYTES = 256 * MIB;
/** Writable by the group or by everybody. */
const WRITABLE_BY_OTHERS = 0o022;

export function judgeHost(host: HostEvidence): Check[] {
  return [
    judgeConfiguration(host),
    judgeDirectory(host),
    judgeJournal(host),
    judgeAgent(host),
    ...host.space.map((space) => judgeSpace(space, host.reserveBytes)),
    judgeIdentity(host),
  ];
}

export function judgeSurroundings(surroundings: SurroundingsEvidence): Check[] {
  return [judgeAccount(surroundings), judgeTools(surroundings), judgeUnit(surroundings.unit)];
}

export function fine(name: string, text: string): Check {
  return { name, result: 'fine', text, remedy: null };
}
export function warning(name: string, text: string, remedy: string): Check {
  return { name, result: 'warning', text, remedy };
}
export function wrong(name: string, text: string, remedy: string | null): Check {
  return { name, result: 'wrong', text, remedy };
}

function judgeConfiguration({ configuration: { path, mode } }: HostEvidence): Check {
  if (mode === null) return fine('config', `${path} is not there: every key has its default`);
  if ((mode & WRITABLE_BY_OTHERS) !== 0)
    return wrong(
      'config',
      `${path} can be changed by others (mode ${octal(mode)}), and it names commands that the agent runs`,
      `chmod go-w ${path}`,
    );
  return fine('config', `${path}: every key is known and its value accepted`);
}

function judgeDirectory({ directory, stateDirectory, account }: HostEvidence): Check {
  if (!directory.ok) return failed('state', directory);
  if (directory.value === null)
    return wrong('state', `${stateDirectory} is not there`, 'drover-agent enrol makes it; or set stateDirectory.');
  const { isDirectory, mode, uid } = directory.value;
  if (!isDirectory) return wrong('state', `${stateDirectory} is no directory`, 'Move away what is there, and enrol.');
  if ((mode & WRITABLE_BY_OTHERS) !== 0)
    return wrong(
      'state',
      `${stateDirectory} can be changed by others (mode ${octal(mode)})`,
      `chmod 711 ${stateDirectory}`,
    );
  if (uid !== account.uid)
    return account.uid === 0
      ? warning(
          'state',
          `${stateDirectory} belongs to user ${uid}, not to root`,
          `If the agent runs as root: chown root ${stateDirectory}`,
        )
      : wrong(
          'state',
          `${stateDirectory} belongs to user ${uid}, and this command runs as ${account.name} (${account.uid})`,
          "Run this command as the agent's user (sudo drover-agent doctor), or give that user the directory.",
        );
  return fine('state', `${stateDirectory} belongs to ${account.name}, mode ${octal(mode)}`);
}

function judgeJournal({ journal, told, isClaimed }: HostEvidence): Check {
  if (!journal.ok) return failed('journal', journal);
  if (journal.value === null) return fine('journal', 'there is none yet');
  const { unfinishedDeployments } = journal.value;
  const isRunning = isClaimed.ok && isClaimed.value;
  const unacknowledgedReports =
    (isRunning && told.ok ? told.value?.unacknowledgedReports : undefined) ?? journal.value.unacknowledgedReports;
  return fine(
    'journal',
    `readable: ${unfinishedDeployments} unfinished deployments, ${unacknowledgedReports} reports to send`,
  );
}

function judgeAgent({ isClaimed, told, stateDirectory }: HostEvidence): Check {
  if (!isClaimed.ok) return failed('agent', isClaimed);
  if (isClaimed.value) {
    const connection = told.ok ? (told.value?.connection ?? null) : null;
    // The checks below can all be fine: a copied host, say, has the key, and is refused for that.
    if (connection !== null && connection.state !== 'connected' && connection.reason !== null)
      return warning(
        'agent',
        `one works on ${stateDirectory}, and is not connected: ${connection.reason}`,
        'journalctl -u drover-agent shows how often that happens, and what came before.',
      );
    return fine('agent', `one works on ${stateDirectory}`);
  }
  return warning(
    'agent',
    `none works on ${stateDirectory}`,
    'Start it: systemctl start drover-agent, or drover-agent run',
  );
}

function judgeSpace({ path, freeBytes }: HostEvidence['space'][number], reserveBytes: number): Check {
  if (!freeBytes.ok) return failed('disk', freeBytes);
  const free = freeBytes.value;
  const told = `${mebibytes(free)} free at ${path}, ${mebibytes(reserveBytes)} of them reserved (limits.reserveBytes)`;
  if (free <= reserveBytes)
    return wrong('disk', told, 'Make room, or lower limits.reserveBytes: as it is, no download and no install begins.');
  if (free - reserveBytes < LITTLE_ROOM_BYTES)
    return warning('disk', told, 'Make room: a bundle needs it packed, unpacked and installed.');
  return fine('disk', told);
}

function judgeIdentity({ identity }: HostEvidence): Check {
  const enrol = 'drover-agent enrol --coordinator https://… --token-file FILE';
  if (!identity.ok) return failed('key', identity);
  if (identity.value === null) return wrong('key', 'this host is not enrolled', enrol);
  const { path, mode, enrolment } = identity.value;
  if ((mode & 0o077) !== 0)
    return wrong(
      'key',
      `${path} is open to others (mode ${octal(mode)}): who has read it can pass for this host`,
      `chmod 600 ${path}; if somebody may have read it, drover-agent enrol --force with a new join token`,
    );
  if (enrolment === null) return wrong('key', 'this host has a key, and its enrolment was never finished', enrol);
  return fine('key', `${enrolment.hostName} (${enrolment.hostId}), ${path} has mode ${octal(mode)}`);
}

function judgeAccount({ account }: SurroundingsEvidence): Check {
  if (account.uid === 0) return fine('rights', 'root');
  return warning(
    'rights',
    `${account.name} is not root: runas, owner, group and acls of an AppSpec fail, so do limits on hooks and ports below 1024`,
    'Run the agent as root, as its unit does, where bundles ask for any of it.',
  );
}

/** Each tool: the package that has it in Debian, and what is to be had only with it. */
const TOOLS: Readonly<Record<Tool, { from: string; without: string }>> = {
  setpriv: { from: 'util-linux', without: 'no hook can have runas' },
  setfacl: { from: 'acl', without: 'no permission can have acls' },
  'systemd-run': { from: 'systemd', without: 'no hook can have limits' },
  sync: { from: 'coreutils', without: 'large bundles unpack more slowly' },
};

function judgeTools({ tools }: SurroundingsEvidence): Check {
  const names = Object.keys(TOOLS) as Tool[];
  const missing = names.filter((name) => !tools[name]);
  if (missing.length === 0) return fine('tools', `${names.join(', ')} are there`);
  return warning(
    'tools',
    missing.map((name) => `${name} is missing: ${TOOLS[name].without}`).join('; '),
    `Where bundles ask for it, install ${[...new Set(missing.map((name) => TOOLS[name].from))].join(', ')}.`,
  );
}

function judgeUnit(unit: Outcome<UnitEvidence>): Check {
  if (!unit.ok)
    return warning('systemd', `not asked: ${unit.message}`, 'See to it that something starts the agent at every boot.');
  const { loadState, activeState, killMode, unitFileState } = unit.value;
  if (loadState === 'not-found')
    return warning('systemd', 'there is no drover-agent.service', "Install the agent's package.");
  if (killMode !== 'process')
    return wrong(
      'systemd',
      `drover-agent.service has KillMode=${killMode}: stopping the agent would end running hooks, and what they started`,
      'systemctl edit drover-agent: [Service] KillMode=process',
    );
  if (activeState === 'failed')
    return wrong(
      'systemd',
      'drover-agent.service has failed',
      'journalctl -u drover-agent, then systemctl restart drover-agent',
    );
  if (activeState !== 'active')
    return warning('systemd', `drover-agent.service is ${activeState}`, 'systemctl enable --now drover-agent');
  if (unitFileState !== 'enabled')
    return warning(
      'systemd',
      `drover-agent.service runs, and is ${unitFileState}: no boot starts it`,
      'systemctl enable drover-agent',
    );
  return fine('systemd', 'drover-agent.service is active and enabled, KillMode=process');
}

export function failed(name: string, outcome: Extract<Outcome<unknown>, { ok: false }>): Check {
  return wrong(name, outcome.message, outcome.hint);
}

function octal(mode: number): string {
  return mode.toString(8).padStart(4, '0');
}

function mebibytes(bytes: number): string {
  return `${Math.floor(bytes / MIB)} MiB`;
}

import type { CommandGroup, CommandSpec } from './command.ts';

export interface CatalogueEntry {
  name: string;
  summary: string;
  /** Where `drover help` lists it. */
  section: 'Deploy' | 'Look' | 'Set up' | 'This command';
  /** Loaded when it is called: start-up stays short however many commands there are. */
  load: () => Promise<CommandSpec | CommandGroup>;
}

/** Every command, by the order of a day's work. */
export const CATALOGUE: readonly CatalogueEntry[] = [
  entry(
    'Deploy',
    'deploy',
    'Deploy a revision to a deployment group and watch it',
    async () => (await import('./commands/deploy.ts')).deployCommand,
  ),
  entry('Deploy', 'watch', 'Watch a deployment live', async () => (await import('./commands/watch.ts')).watchCommand),
  entry(
    'Deploy',
    'stop',
    'Stop a deployment: no further host starts',
    async () => (await import('./commands/stop.ts')).stopCommand,
  ),
  entry(
    'Deploy',
    'rollback',
    'Bring a deployment group back to its last good revision',
    async () => (await import('./commands/rollback.ts')).rollbackCommand,
  ),
  entry(
    'Deploy',
    'redeploy',
    'Deploy a revision from history again',
    async () => (await import('./commands/redeploy.ts')).redeployCommand,
  ),
  entry(
    'Deploy',
    'retry',
    'Deploy again to the hosts that failed',
    async () => (await import('./commands/retry.ts')).retryCommand,
  ),
  entry(
    'Deploy',
    'push',
    'Check, pack and upload a bundle as a revision',
    async () => (await import('./commands/push.ts')).pushCommand,
  ),
  entry(
    'Deploy',
    'lint',
    'Check the AppSpec of a directory or an archive',
    async () => (await import('./commands/lint.ts')).lintCommand,
  ),
  entry(
    'Look',
    'status',
    'What needs me, or how one deployment or group is',
    async () => (await import('./commands/status.ts')).statusCommand,
  ),
  entry(
    'Look',
    'history',
    'List deployments, the newest first',
    async () => (await import('./commands/history.ts')).historyCommand,
  ),
  entry('Look', 'ls', 'The same as history', async () => (await import('./commands/history.ts')).lsCommand),
  entry('Look', 'why', 'Why hosts failed, each cause once', async () => (await import('./commands/why.ts')).whyCommand),
  entry(
    'Look',
    'logs',
    "What a deployment's scripts printed",
    async () => (await import('./commands/logs.ts')).logsCommand,
  ),
  entry(
    'Look',
    'audit',
    'Every change: who, what, when, from where',
    async () => (await import('./commands/audit.ts')).auditCommand,
  ),
  entry('Set up', 'apps', 'Applications', async () => (await import('./commands/apps.ts')).appsCommands),
  entry('Set up', 'groups', 'Deployment groups', async () => (await import('./commands/groups.ts')).groupsCommands),
  entry(
    'Set up',
    'revisions',
    'Revisions of an application',
    async () => (await import('./commands/revisions.ts')).revisionsCommands,
  ),
  entry('Set up', 'configs', 'Deployment configs', async () => (await import('./commands/configs.ts')).configsCommands),
  entry(
    'Set up',
    'hosts',
    'Hosts, and tokens for enrolling them',
    async () => (await import('./commands/hosts.ts')).hostsCommands,
  ),
  entry(
    'Set up',
    'agents',
    'Versions of the agent on the hosts, and updates of it',
    async () => (await import('./commands/agents.ts')).agentsCommands,
  ),
  entry('Set up', 'tokens', 'Tokens of operators', async () => (await import('./commands/tokens.ts')).tokensCommands),
  entry(
    'Set up',
    'access-keys',
    'Access keys for the AWS-compatible API',
    async () => (await import('./commands/access-keys.ts')).accessKeysCommands,
  ),
  entry(
    'Set up',
    'triggers',
    'Messages of triggers that are not delivered',
    async () => (await import('./commands/triggers.ts')).triggersCommands,
  ),
  entry(
    'Set up',
    'import',
    'Bring over what AWS CodeDeploy has',
    async () => (await import('./commands/import.ts')).importCommands,
  ),
  entry(
    'This command',
    'login',
    'Log in to a coordinator',
    async () => (await import('./commands/login.ts')).loginCommand,
  ),
  entry(
    'This command',
    'logout',
    'Forget the token of a context',
    async () => (await import('./commands/login.ts')).logoutCommand,
  ),
  entry(
    'This command',
    'whoami',
    'Who am I, and which coordinator answers',
    async () => (await import('./commands/whoami.ts')).whoamiCommand,
  ),
  entry(
    'This command',
    'context',
    'Coordinators that this command knows',
    async () => (await import('./commands/context.ts')).contextCommands,
  ),
  entry(
    'This command',
    'completion',
    'A completion script for bash, zsh or fish',
    async () => (await import('./commands/completion.ts')).completionCommand,
  ),
  entry(
    'This command',
    'doctor',
    'Check address, TLS, clock, token, version, and whether the coordinator can write',
    async () => (await import('./commands/doctor.ts')).doctorCommand,
  ),
  entry(
    'This command',
    'help',
    'Help on a command or a topic',
    async () => (await import('./commands/help.ts')).helpCommand,
  ),
];

function entry(
  section: CatalogueEntry['section'],
  name: string,
  summary: string,
  load: CatalogueEntry['load'],
): CatalogueEntry {
  return { section, name, summary, load };
}

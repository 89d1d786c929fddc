import { AppError, type ErrorCode } from '../../shared/core/errors.ts';

/** Every exit code of `drover`, once. Printed by `drover help exit-codes`; docs/cli.md explains them. */
export const EXIT_CODES = [
  { code: 0, name: 'done', meaning: 'done as asked' },
  { code: 1, name: 'unexpected', meaning: 'something unexpected: a bug, or a disk or pipe that failed' },
  {
    code: 2,
    name: 'usage',
    meaning: 'the command or what it was given is wrong (also: `lint` found errors); nothing was changed',
  },
  {
    code: 3,
    name: 'refused',
    meaning:
      'refused or blocked, for example by a running deployment; nothing was changed (by `import` and `groups apply`: only what they told)',
  },
  { code: 4, name: 'nothing-to-do', meaning: 'there was nothing to do' },
  { code: 5, name: 'failed', meaning: 'the deployment failed and was not rolled back; or the agent update failed' },
  { code: 6, name: 'failed-rolled-back', meaning: 'the deployment failed and was rolled back' },
  {
    code: 7,
    name: 'stopped',
    meaning: 'the deployment, or the agent update, was stopped by somebody (for `stop` itself that is 0)',
  },
  { code: 8, name: 'awaits-approval', meaning: 'not given yet: approvals come later' },
  { code: 9, name: 'watch-timed-out', meaning: 'the watching timed out; the deployment goes on' },
  { code: 10, name: 'not-found', meaning: 'there is no such thing' },
  { code: 11, name: 'not-permitted', meaning: 'not logged in, or not permitted' },
  {
    code: 12,
    name: 'unreachable',
    meaning:
      'the coordinator cannot be reached, or it or what it needs (its disk, a host, a revision store) cannot serve now; for `import` also: what is imported from cannot be reached',
  },
  { code: 13, name: 'drift', meaning: '`hosts drift`: installed files were changed since their install' },
  { code: 64, name: 'needs-answer', meaning: 'a question would have to be asked, but there is no terminal' },
  {
    code: 130,
    name: 'left',
    meaning:
      'left by Ctrl C, by `q` in a watching screen, or when nobody reads what a watch prints any more; a deployment goes on',
  },
] as const;
export type ExitCode = (typeof EXIT_CODES)[number]['code'];
export type ExitName = (typeof EXIT_CODES)[number]['name'];

export function exitCode(name: ExitName): ExitCode {
  // Every name comes from the table itself.
  return EXIT_CODES.find((exit) => exit.name === name)!.code;
}

export function exitName(code: ExitCode): ExitName {
  // Every code comes from the table itself.
  return EXIT_CODES.find((exit) => exit.code === code)!.name;
}

/** A command that ends other than well, for a reason that is its own and not the coordinator's. */
export class CommandFailure extends Error {
  readonly exit: ExitName;
  readonly hint: string | undefined;
  readonly details: Readonly<Record<string, unknown>>;
  constructor(exit: ExitName, message: string, options: { hint?: string; details?: Record<string, unknown> } = {}) {
    super(message);
    this.name = 'CommandFailure';
    this.exit = exit;
    this.hint = options.hint;
    this.details = options.details ?? {};
  }
}

export function usageError(message: string, hint?: string): CommandFailure {
  return new CommandFailure('usage', message, hint === undefined ? {} : { hint });
}

const EXIT_OF_ERROR: Readonly<Record<ErrorCode, ExitName>> = {
  invalid: 'usage',
  not_found: 'not-found',
  conflict: 'refused',
  unauthorized: 'not-permitted',
  forbidden: 'not-permitted',
  too_large: 'refused',
  rate_limited: 'refused',
  unavailable: 'unreachable',
  not_implemented: 'refused',
  internal: 'unexpected',
};

/** How a command ends that threw this. */
export function exitOfError(error: unknown): ExitName {
  if (error instanceof CommandFailure) return error.exit;
  if (!(error instanceof AppError)) return 'unexpected';
  if (error.code === 'conflict' && error.details['reason'] === 'nothing_to_do') return 'nothing-to-do';
  return EXIT_OF_ERROR[error.code];
}

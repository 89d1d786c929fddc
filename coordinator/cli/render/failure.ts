import { AppError } from '../../../shared/core/errors.ts';
import { CommandFailure, type ExitName, exitCode, exitOfError } from '../exit-codes.ts';
import type { Style } from './style.ts';
import { plainText } from './text.ts';

interface Told {
  code: string;
  message: string;
  hint: string | null;
  requestId: string | null;
  details: Readonly<Record<string, unknown>>;
}

/** What failed, why, what to do next, and how the command ends. */
export function failureLines(error: unknown, style: Style): string[] {
  const exit = exitOfError(error);
  const told = tell(error);
  return [
    `${style.bad('error')}: ${plainText(told.message)}`,
    ...(told.hint === null ? [] : [`  ${plainText(told.hint)}`]),
    ...(told.requestId === null ? [] : [style.dim(`  request ${told.requestId}`)]),
    exitLine(exit, style),
  ];
}

/** `[exit 3 refused]`: each command that does not end with 0 ends with this. */
export function exitLine(exit: ExitName, style: Style): string {
  return style.dim(`[exit ${exitCode(exit)} ${exit}]`);
}

/** For `--json`: the same on stdout. */
export function failureDocument(error: unknown): object {
  const { code, message, hint, requestId, details } = tell(error);
  const exit = exitOfError(error);
  return { error: { code, message, hint, requestId, details, exit: exitCode(exit), exitName: exit } };
}

function tell(error: unknown): Told {
  if (error instanceof CommandFailure)
    return {
      // Spelt as the API's codes, so that what is not there is `not_found` whoever found that out.
      code: error.exit.replaceAll('-', '_'),
      message: error.message,
      hint: error.hint ?? null,
      requestId: null,
      details: error.details,
    };
  if (error instanceof AppError) {
    const { requestId, ...details } = error.details;
    return {
      code: error.code,
      message: error.message,
      hint: error.hint ?? hintOf(error),
      requestId: typeof requestId === 'string' ? requestId : null,
      details,
    };
  }
  const message = error instanceof Error ? error.message : String(error);
  return {
    code: 'internal',
    message,
    hint: 'This is a bug in drover, or in what it stands on. DROVER_TRACE=1 shows where.',
    requestId: null,
    details: {},
  };
}

/** The next command, where the coordinator gave no hint of its own. */
function hintOf(error: AppError): string | null {
  const active = error.details['activeDeploymentId'];
  if (typeof active === 'string') return `See it: drover watch ${active}`;
  switch (error.code) {
    case 'unauthorized':
      return 'Log in again: drover login';
    case 'forbidden':
      return 'See your role: drover whoami. An admin makes tokens: drover tokens create';
    case 'unavailable':
      return 'See what is wrong: drover doctor';
    default:
      return null;
  }
}

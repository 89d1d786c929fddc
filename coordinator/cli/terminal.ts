import { usageError } from './exit-codes.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

export interface Looks {
  hasColour: boolean;
  isUnicode: boolean;
  /** A picture that is redrawn in place may be shown. */
  isLive: boolean;
}

/** What may be printed: flags first, then the environment, then what the other end is. Source: no-color.org, force-color.org. */
export function decideLooks(input: {
  env: Environment;
  color: string | undefined;
  isAscii: boolean;
  isTty: boolean;
}): Looks {
  const { env, color, isTty } = input;
  const isDumb = env['TERM'] === 'dumb';
  return {
    hasColour: hasColour(env, color, isTty && !isDumb),
    isUnicode: !input.isAscii && /utf-?8/i.test(firstSet(env, ['LC_ALL', 'LC_CTYPE', 'LANG']) ?? ''),
    isLive: isTty && !isDumb,
  };
}

function hasColour(env: Environment, color: string | undefined, isCapable: boolean): boolean {
  switch (color) {
    case 'always':
      return true;
    case 'never':
      return false;
    case undefined:
    case 'auto': {
      const forced = env['FORCE_COLOR'];
      if (forced !== undefined && forced !== '') return forced !== '0' && forced !== 'false';
      return isCapable && (env['NO_COLOR'] ?? '') === '';
    }
    default:
      throw usageError(`--color ${color} is not known`, 'Use --color auto, always or never.');
  }
}

function firstSet(env: Environment, names: readonly string[]): string | undefined {
  return names.map((name) => env[name]).find((value) => value !== undefined && value !== '');
}

/** A pipeline's system, by what its documentation says it sets. */
export type Pipeline = 'github' | 'gitlab' | 'buildkite';
export function pipelineOf(env: Environment): Pipeline | undefined {
  if (env['GITHUB_ACTIONS'] === 'true') return 'github';
  if (env['GITLAB_CI'] === 'true') return 'gitlab';
  return env['BUILDKITE'] === 'true' ? 'buildkite' : undefined;
}

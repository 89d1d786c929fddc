import type { BundleEntry } from '../bundle/entry.ts';
import type { AppSpec, AppSpecProblem } from './appspec.ts';

/**
 * Where a bundle that is right for Drover fails, or does something else, on AWS's agents. What the parser itself warns of
 * (`args`, `env`, unquoted modes, …) is not repeated here. Source of each: the CodeDeploy agent 1.8.1, as docs/appspec.md tells.
 */
export function lintPortability(appSpec: AppSpec, entries: ReadonlyMap<string, BundleEntry>): AppSpecProblem[] {
  return [...checkLocations(appSpec), ...checkPermissions(appSpec), ...checkLinks(appSpec, entries)];
}

/** The whole location is one word of a command line there. */
function checkLocations(appSpec: AppSpec): AppSpecProblem[] {
  const problems: AppSpecProblem[] = [];
  for (const [event, scripts] of appSpec.hooks)
    for (const [index, script] of scripts.entries())
      if (/[^A-Za-z0-9_@%+=:,./-]/.test(script.location))
        problems.push(
          warning(`hooks.${event}[${index}].location`, script.line, {
            code: 'aws-location-characters',
            message: `AWS's agent hands ${script.location} to a shell, which splits it at spaces and reads special characters`,
            hint: 'give the script a plain name',
          }),
        );
  return problems;
}

function checkPermissions(appSpec: AppSpec): AppSpecProblem[] {
  const problems: AppSpecProblem[] = [];
  for (const [index, permission] of appSpec.permissions.entries()) {
    const path = `permissions[${index}]`;
    for (const key of ['owner', 'group'] as const)
      if (/^\d+$/.test(permission[key] ?? ''))
        problems.push(
          warning(`${path}.${key}`, permission.line, {
            code: 'aws-numeric-account',
            message: `AWS's agent knows accounts by name only and fails on the ${key} ${permission[key]}`,
            hint: 'write the name',
          }),
        );
    if (permission.context !== null && permission.context.range === null)
      problems.push(
        warning(`${path}.context`, permission.line, {
          code: 'aws-context-range',
          message: "AWS's agent fails on an SELinux context without a range",
          hint: 'add "range: s0"',
        }),
      );
    const absolute = permission.except.find((name) => name.includes('/'));
    if (absolute !== undefined)
      problems.push(
        warning(`${path}.except`, permission.line, {
          code: 'except-never-matches',
          message: `except has names directly below the object; ${absolute} takes nothing out, here and with AWS's agent`,
          hint: 'write the name alone',
        }),
      );
  }
  return problems;
}

/** One warning for each mapping: a bundle may hold thousands of links. */
function checkLinks(appSpec: AppSpec, entries: ReadonlyMap<string, BundleEntry>): AppSpecProblem[] {
  const problems: AppSpecProblem[] = [];
  for (const [index, mapping] of appSpec.files.entries()) {
    const prefix = mapping.source === '.' ? '' : `${mapping.source}/`;
    for (const [path, entry] of entries)
      if (entry.kind === 'symlink' && (path === mapping.source || path.startsWith(prefix))) {
        problems.push(
          warning(`files[${index}].source`, mapping.line, {
            code: 'aws-symlink',
            message: `${path} is a symlink: AWS's agent copies what a link to a directory leads to, and fails where one of a file exists already`,
            hint: null,
          }),
        );
        break;
      }
  }
  return problems;
}

function warning(path: string, line: number, found: Pick<AppSpecProblem, 'code' | 'message' | 'hint'>): AppSpecProblem {
  return { severity: 'warning', path, line, column: 1, ...found };
}

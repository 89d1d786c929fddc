import { posix } from 'node:path';
import type { BundleEntry } from '../bundle/entry.ts';
import type { AppSpec, AppSpecProblem } from './appspec.ts';
import { lintPortability } from './lint-portability.ts';
import { parseAppSpec } from './parse.ts';

export interface LintInput {
  appSpecText: string;
  /** Its path in the bundle. */
  appSpecName: string;
  /** By path from the bundle's root, without `./` and without a slash at the end. */
  entries: ReadonlyMap<string, BundleEntry>;
}

/** Everything that is wrong with an AppSpec, and with the bundle around it, by line. */
export function lintBundle(input: LintInput): AppSpecProblem[] {
  const result = parseAppSpec(input.appSpecText, { fileName: input.appSpecName });
  if (!result.ok) return [...result.problems];
  const problems = [
    ...result.warnings,
    ...checkName(input.appSpecName),
    ...checkScripts(result.appSpec, input.entries),
    ...checkFiles(result.appSpec, input.entries),
    ...lintPortability(result.appSpec, input.entries),
  ];
  return problems.sort((a, b) => a.line - b.line || a.column - b.column);
}

function checkName(appSpecName: string): AppSpecProblem[] {
  if (appSpecName !== 'appspec.yaml') return [];
  const message = "AWS's agent runs no hooks from appspec.yaml; Drover takes both names";
  return [problem('warning', 'appspec-yaml', '', 1, message, 'call it appspec.yml')];
}

function checkScripts(appSpec: AppSpec, entries: LintInput['entries']): AppSpecProblem[] {
  const problems: AppSpecProblem[] = [];
  for (const [event, scripts] of appSpec.hooks)
    for (const [index, script] of scripts.entries()) {
      const path = `hooks.${event}[${index}].location`;
      if (isBehindLink(script.location, entries)) continue;
      const found = checkScript(script.location, entries.get(script.location));
      if (found !== null)
        problems.push(problem(found.severity, found.code, path, script.line, found.message, found.hint));
    }
  return problems;
}

function checkScript(
  location: string,
  entry: BundleEntry | undefined,
): Pick<AppSpecProblem, 'severity' | 'code' | 'message' | 'hint'> | null {
  if (entry === undefined)
    return {
      severity: 'error',
      code: 'hook-script-missing',
      message: `${location} is not in the bundle`,
      hint: location.includes(' ') ? 'arguments go to "args", not to the location' : null,
    };
  if (entry.kind === 'directory')
    return {
      severity: 'error',
      code: 'hook-script-directory',
      message: `${location} is a directory, not a script`,
      hint: null,
    };
  if (entry.kind === 'symlink') return null;
  const firstLine = entry.firstBytes === undefined ? null : beginning(entry.firstBytes);
  if (firstLine?.startsWith('#!') && firstLine.endsWith('\r'))
    return {
      severity: 'error',
      code: 'hook-script-crlf',
      message: `${location} has Windows line ends; Linux would look for an interpreter called "${firstLine.slice(2).trim()}\\r"`,
      hint: 'save it with Unix line ends (dos2unix)',
    };
  if ((entry.mode & 0o111) === 0)
    return {
      severity: 'warning',
      code: 'hook-script-not-executable',
      message: `${location} is not executable; the agent makes it so before it runs it`,
      hint: `chmod +x ${location}`,
    };
  if (firstLine !== null && !firstLine.startsWith('#!') && !firstLine.startsWith('\x7fELF'))
    return {
      severity: 'warning',
      code: 'hook-script-shebang',
      message: `${location} does not begin with #!; it runs in /bin/sh`,
      hint: 'say so in its first line: #!/bin/sh',
    };
  return null;
}

/** The first line with the \r that may end it. Bytes, one character each: it may not be text at all. */
function beginning(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1').split('\n', 1)[0] ?? '';
}

function checkFiles(appSpec: AppSpec, entries: LintInput['entries']): AppSpecProblem[] {
  const problems: AppSpecProblem[] = [];
  const sourceOf = new Map<string, string>();
  for (const [index, mapping] of appSpec.files.entries()) {
    const copies = copiesOf(mapping.source, mapping.destination, entries);
    if (copies === null) {
      const message = `${mapping.source} is not in the bundle`;
      problems.push(
        problem('error', 'file-source-not-in-bundle', `files[${index}].source`, mapping.line, message, null),
      );
      continue;
    }
    for (const copy of copies) {
      const earlier = sourceOf.get(copy.to);
      if (earlier === undefined) sourceOf.set(copy.to, copy.from);
      else {
        const message = `both ${earlier} and ${copy.from} go to ${copy.to}`;
        problems.push(problem('error', 'file-destination-twice', `files[${index}]`, mapping.line, message, null));
        break;
      }
    }
  }
  return problems;
}

/** What a mapping copies, or null when its source is not in the bundle. Directories may be implied by what is in them. */
function copiesOf(source: string, destination: string, entries: LintInput['entries']) {
  const entry = entries.get(source);
  if (entry !== undefined && entry.kind !== 'directory')
    return [{ from: source, to: posix.join(destination, posix.basename(source)) }];
  const prefix = source === '.' ? '' : `${source}/`;
  const copies = [];
  for (const [path, inside] of entries)
    if (path.startsWith(prefix) && inside.kind !== 'directory')
      copies.push({ from: path, to: posix.join(destination, path.slice(prefix.length)) });
  const isMissing = entry === undefined && source !== '.' && copies.length === 0;
  return isMissing && !isBehindLink(source, entries) ? null : copies;
}

/** A directory on the way is a link: what is there, a host will see. */
function isBehindLink(path: string, entries: LintInput['entries']): boolean {
  for (let parent = posix.dirname(path); parent !== '.'; parent = posix.dirname(parent))
    if (entries.get(parent)?.kind === 'symlink') return true;
  return false;
}

function problem(
  severity: AppSpecProblem['severity'],
  code: string,
  path: string,
  line: number,
  message: string,
  hint: string | null,
): AppSpecProblem {
  return { severity, code, path, line, column: 1, message, hint };
}

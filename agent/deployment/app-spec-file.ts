import { isAbsolute, join, normalize } from 'node:path';
import type { AppSpec, AppSpecProblem, AppSpecResult } from '../../shared/appspec/appspec.ts';
import { findAppSpec } from '../../shared/appspec/find.ts';
import { MAX_APPSPEC_BYTES } from '../../shared/bundle/limits.ts';
import { clip } from '../../shared/core/bounded.ts';
import { errorMessage } from '../../shared/core/errors.ts';
import { once } from '../../shared/core/once.ts';
import { LIFECYCLE_EVENTS } from '../../shared/model/lifecycle-event.ts';
import type { Disk } from '../host/disk.ts';

/** An idle agent does without the YAML parser's memory. */
const loadParser = once(() => import('../../shared/appspec/parse.ts'));

export type LoadedAppSpec =
  | { ok: true; appSpec: AppSpec; appSpecPath: string; warnings: readonly AppSpecProblem[] }
  | { ok: false; message: string };

/** Finds and reads the AppSpec of an unpacked bundle. `message` tells every problem, with lines. */
export async function loadAppSpec(
  disk: Disk,
  archiveRoot: string,
  options: { wanted: string; lifecycleEvents: readonly string[] | 'any' },
): Promise<LoadedAppSpec> {
  if (leavesRoot(options.wanted))
    return { ok: false, message: `the AppSpec file name ${options.wanted} leads out of the bundle` };
  const candidates = [options.wanted, 'appspec.yml', 'appspec.yaml'];
  let appSpecPath: string | null = null;
  let text: string;
  try {
    const present = await Promise.all(
      candidates.map(async (name) => ((await disk.status(join(archiveRoot, name))) === null ? [] : [name])),
    );
    appSpecPath = findAppSpec(present.flat(), options.wanted);
    if (appSpecPath === null)
      return { ok: false, message: `the bundle has no AppSpec file ${listed(candidates)} in ${archiveRoot}` };
    text = (await disk.readFile(join(archiveRoot, appSpecPath), MAX_APPSPEC_BYTES)).toString('utf8');
  } catch (error) {
    return { ok: false, message: `read ${join(archiveRoot, appSpecPath ?? '')}: ${errorMessage(error)}` };
  }
  const known: ReadonlySet<string> = new Set(LIFECYCLE_EVENTS);
  const customEvents =
    options.lifecycleEvents === 'any' ? 'any' : options.lifecycleEvents.filter((event) => !known.has(event));
  const parsed = await parsedOnce(text, appSpecPath, customEvents);
  if (!parsed.ok) return { ok: false, message: describeProblems(appSpecPath, parsed.problems) };
  return { ok: true, appSpec: parsed.appSpec, appSpecPath, warnings: parsed.warnings };
}

/**
 * The last few files: a deployment reads its own two times, and the next one reads it again for its ApplicationStop. Parsing is
 * the dearest thing that an agent computes.
 */
const lastParsed = new Map<string, AppSpecResult>();
const MAX_PARSED = 4;

async function parsedOnce(
  text: string,
  fileName: string,
  customEvents: 'any' | readonly string[],
): Promise<AppSpecResult> {
  const { parseAppSpec } = await loadParser();
  const key = JSON.stringify([fileName, customEvents, text]);
  const known = lastParsed.get(key);
  if (known !== undefined) return known;
  const parsed = parseAppSpec(text, { fileName, customEvents });
  lastParsed.set(key, parsed);
  for (const oldest of lastParsed.keys()) {
    if (lastParsed.size <= MAX_PARSED) break;
    lastParsed.delete(oldest);
  }
  return parsed;
}

function describeProblems(fileName: string, problems: readonly AppSpecProblem[]): string {
  const lines = problems
    .filter((problem) => problem.severity === 'error')
    .map((problem) => `${fileName}:${problem.line}:${problem.column}: ${problem.message}`);
  return clip(`the AppSpec file is wrong\n${lines.join('\n')}`, 4_096);
}

function listed(names: readonly string[]): string {
  const different = [...new Set(names)];
  return `${different.slice(0, -1).join(', ')} or ${different.at(-1)}`;
}

function leavesRoot(name: string): boolean {
  return isAbsolute(name) || normalize(name).split('/')[0] === '..';
}

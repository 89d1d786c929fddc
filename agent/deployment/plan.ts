import type { AppSpec, HookScript } from '../../shared/appspec/appspec.ts';
import type { Assignment } from '../../shared/protocol/messages.ts';
import { isTrafficGate, scriptSource } from '../hooks/script-source.ts';

/** An event that runs no scripts may take this long, ms. Source: CodeDeploy, 3600 s for an event. */
const EVENT_TIMEOUT_MS = 3_600_000;
/** Beside its timeout, what stopping a script takes at most, ms. */
const STOP_ALLOWANCE_MS = 15_000;

/** One lifecycle event's part of a deployment, decided before the host is touched by it. */
export type Step =
  | { kind: 'noop'; event: string; reason: string }
  /** Fetch, verify and unpack the bundle, and read its AppSpec: a bad one fails here, before anything is changed. */
  | { kind: 'download-bundle'; event: string }
  | { kind: 'install'; event: string; appSpec: AppSpec; archiveRoot: string }
  | { kind: 'run-hook'; event: string; scripts: readonly HookScript[]; source: ScriptsOf }
  /** The scripts, or the files, are in a bundle that is not here yet; planned anew once it is. */
  | { kind: 'await-bundle'; event: string }
  /** An event that this agent cannot perform; said before anything is run. */
  | { kind: 'refuse'; event: string; reason: string };
export type StepOf<Kind extends Step['kind']> = Extract<Step, { kind: Kind }>;

interface ScriptsOf {
  revision: 'installed' | 'new';
  revisionLabel: string;
  archiveRoot: string;
}

/** A revision whose files lie on this host, as its AppSpec describes it. */
export interface UnpackedRevision {
  revisionLabel: string;
  archiveRoot: string;
  appSpec: AppSpec;
}

export interface PlanInput {
  assignment: Pick<Assignment, 'lifecycleEvents' | 'revision'>;
  /** The last revision whose Install succeeded here; a sentence when there was one and its archive cannot be read. */
  installed: UnpackedRevision | null | { unreadable: string };
  /** The assignment's own revision; null until its bundle is here. */
  downloaded: UnpackedRevision | null;
}

/** The assignment's events in order, one step for each. */
export function plan(input: PlanInput): Step[] {
  return input.assignment.lifecycleEvents.map((event) => planEvent(input, event));
}

export function planEvent(input: PlanInput, event: string): Step {
  if (isTrafficGate(event))
    return { kind: 'refuse', event, reason: `${event} is the coordinator's to perform; this agent cannot wait for it` };
  if (event === 'DownloadBundle') return { kind: 'download-bundle', event };
  if (scriptSource(event) === 'installed') return planInstalledHook(input.installed, event);
  const { downloaded } = input;
  if (downloaded === null)
    return input.assignment.lifecycleEvents.includes('DownloadBundle')
      ? { kind: 'await-bundle', event }
      : { kind: 'refuse', event, reason: `${event} needs the bundle, and no DownloadBundle comes before it` };
  if (event === 'Install')
    return { kind: 'install', event, appSpec: downloaded.appSpec, archiveRoot: downloaded.archiveRoot };
  return planHook(downloaded, event, 'new');
}

/** The next event after `event` that runs scripts, as far as can be planned yet. */
export function nextHook(input: PlanInput, event: string): StepOf<'run-hook'> | null {
  const { lifecycleEvents } = input.assignment;
  for (const later of lifecycleEvents.slice(lifecycleEvents.indexOf(event) + 1)) {
    const step = planEvent(input, later);
    if (step.kind === 'run-hook') return step;
    if (step.kind !== 'noop' && step.kind !== 'install') return null;
  }
  return null;
}

/** The most that a step may take, ms. */
export function timeoutOf(step: Step): number {
  if (step.kind !== 'run-hook') return EVENT_TIMEOUT_MS;
  return step.scripts.reduce((sum, script) => sum + script.timeoutSeconds * 1_000 + STOP_ALLOWANCE_MS, 0);
}

function planInstalledHook(installed: PlanInput['installed'], event: string): Step {
  if (installed === null)
    return { kind: 'noop', event, reason: 'nothing is installed in this deployment group on this host yet' };
  if ('unreadable' in installed)
    return { kind: 'noop', event, reason: `taken as a first deployment: ${installed.unreadable}` };
  return planHook(installed, event, 'installed');
}

function planHook(revision: UnpackedRevision, event: string, source: ScriptsOf['revision']): Step {
  const scripts = revision.appSpec.hooks.get(event) ?? [];
  const { revisionLabel, archiveRoot } = revision;
  if (scripts.length === 0)
    return { kind: 'noop', event, reason: `the AppSpec of ${revisionLabel} has no script for ${event}` };
  return { kind: 'run-hook', event, scripts, source: { revision: source, revisionLabel, archiveRoot } };
}

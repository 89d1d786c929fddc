import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The events whose hooks write down what they did, in a file of their host. */
export const HOOKED = ['ApplicationStop', 'BeforeInstall', 'AfterInstall', 'ApplicationStart', 'ValidateService'];
/** How a bad revision's hook ends: no other reason gives this number. */
export const BAD_EXIT_CODE = 3;
export const VERSION_FILE = 'opt/app/VERSION';
/** Below a host's install root. A run is two lines: its beginning with the version that lies installed then, and its end. */
export const TRACE = 'trace';

/** One run of a hook, as the host's own file has it. */
export interface HookRun {
  deploymentId: string;
  event: string;
  /** What lay installed when it began; empty when nothing did. */
  version: string;
  /** By the host's clock, epoch ms. */
  beganAt: number;
  /** Null when it did not get to its end. */
  ended: { at: number; exitCode: number } | null;
}

/** @param badOn `everywhere`, or the shell pattern of the host names on which the hook fails; null: it succeeds */
export function tracedHook(seconds: number, badOn: string | null): string {
  const verdict = badOn === null ? '' : `case $HOST in ${badOn}) code=${BAD_EXIT_CODE};; esac\n`;
  return `#!/bin/sh
trace=$DROVER_INSTALL_ROOT/${TRACE} version= code=0
if [ -f "$DROVER_INSTALL_ROOT/${VERSION_FILE}" ]; then read -r version < "$DROVER_INSTALL_ROOT/${VERSION_FILE}"; fi
echo "begin $(date +%s%N) $DEPLOYMENT_ID $LIFECYCLE_EVENT $version" >> "$trace"
echo "begin $DEPLOYMENT_ID"
sleep ${seconds}
echo "end $LIFECYCLE_EVENT"
${verdict}echo "end $(date +%s%N) $DEPLOYMENT_ID $LIFECYCLE_EVENT $code" >> "$trace"
exit $code
`;
}

/** What a hook that ran to its end has printed. */
export function outputOf(deploymentId: string, event: string): string {
  return `begin ${deploymentId}\nend ${event}\n`;
}

/** In the order in which they began. */
export function runsOf(installRoot: string): HookRun[] {
  const path = join(installRoot, TRACE);
  return existsSync(path) ? parseTrace(readFileSync(path, 'utf8')) : [];
}

export function parseTrace(text: string): HookRun[] {
  const runs: HookRun[] = [];
  for (const line of text.split('\n').filter((each) => each !== '')) {
    const [mark = '', nanoseconds = '', deploymentId = '', event = '', rest = ''] = line.split(' ');
    const at = Number(nanoseconds) / 1e6;
    if (mark === 'begin') {
      runs.push({ deploymentId, event, version: rest, beganAt: at, ended: null });
      continue;
    }
    const run = runs.findLast((other) => other.deploymentId === deploymentId && other.event === event);
    if (mark !== 'end' || run === undefined || run.ended !== null) throw new Error(`${TRACE}: unexpected ${line}`);
    run.ended = { at, exitCode: Number(rest) };
  }
  return runs;
}

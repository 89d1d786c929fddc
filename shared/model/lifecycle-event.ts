import * as z from 'zod';

/**
 * The order of an in-place deployment. Source: AWS CodeDeploy User Guide, "AppSpec 'hooks' section", list of lifecycle
 * event hooks. The traffic events take part only when the group controls traffic.
 */
export const LIFECYCLE_EVENTS = [
  'BeforeBlockTraffic',
  'BlockTraffic',
  'AfterBlockTraffic',
  'ApplicationStop',
  'DownloadBundle',
  'BeforeInstall',
  'Install',
  'AfterInstall',
  'ApplicationStart',
  'ValidateService',
  'BeforeAllowTraffic',
  'AllowTraffic',
  'AfterAllowTraffic',
] as const;
export type LifecycleEventName = (typeof LIFECYCLE_EVENTS)[number];

/** The seven events of an in-place deployment without traffic control. */
export const IN_PLACE_EVENTS = [
  'ApplicationStop',
  'DownloadBundle',
  'BeforeInstall',
  'Install',
  'AfterInstall',
  'ApplicationStart',
  'ValidateService',
] as const satisfies readonly LifecycleEventName[];

/** Events that Drover performs itself; a hook on one of them is never run. */
export const RESERVED_EVENTS = ['Start', 'BlockTraffic', 'DownloadBundle', 'Install', 'AllowTraffic', 'End'] as const;

/** Failure of these may be ignored by `ignoreApplicationStopFailures`. Source: CreateDeployment API reference. */
export const IGNORABLE_EVENTS = ['ApplicationStop', 'BeforeBlockTraffic', 'AfterBlockTraffic'] as const;

/** Lifecycle event names on the wire: the fixed list, or a custom event of `drover-agent local`. */
export const lifecycleEventName = z.string().regex(/^[A-Za-z][A-Za-z0-9]{0,63}$/);

export const lifecycleEventStatus = z.enum(['Pending', 'InProgress', 'Succeeded', 'Failed', 'Skipped', 'Unknown']);

/** Source: CodeDeploy API reference, LifecycleErrorCode. */
export const lifecycleErrorCode = z.enum([
  'Success',
  'ScriptMissing',
  'ScriptNotExecutable',
  'ScriptTimedOut',
  'ScriptFailed',
  'UnknownError',
]);

/** The most of a script's output that travels in diagnostics, bytes of UTF-8. */
export const MAX_LOG_TAIL_BYTES = 2_048;

export const diagnostics = z.object({
  errorCode: lifecycleErrorCode,
  /** `location` of the script that failed; absent when no script did. */
  scriptName: z.string().max(1_024).optional(),
  message: z.string().max(4_096),
  /** The last lines the failed script printed, at most {@link MAX_LOG_TAIL_BYTES}. */
  logTail: z.string().max(MAX_LOG_TAIL_BYTES).optional(),
  /** Exit status of the failed script, or absent when it did not exit by itself. */
  exitCode: z.number().int().optional(),
  /** Name of the signal that ended the script (`SIGKILL`), when one did. */
  signal: z.string().max(16).optional(),
});
export type Diagnostics = z.infer<typeof diagnostics>;

export const lifecycleEvent = z.object({
  name: lifecycleEventName,
  status: lifecycleEventStatus,
  /** Epoch ms on the coordinator's clock. */
  startedAt: z.number().int().nullable(),
  endedAt: z.number().int().nullable(),
  /** Measured on the host, ms. */
  durationMs: z.number().nonnegative().nullable(),
  diagnostics: diagnostics.nullable(),
});
export type LifecycleEvent = z.infer<typeof lifecycleEvent>;

import type { ResourceLimits } from './process-runner.ts';

const SYSTEMD_RUN = '/usr/bin/systemd-run';
/** There exactly when systemd is the host's init. Source: sd_booted(3). */
export const SYSTEMD_BOOTED = '/run/systemd/system';

/**
 * The words before a command that put it into a transient scope of systemd with these limits. systemd-run registers its own
 * process and then becomes the command, so parent, process group, descriptors and exit status are those of any other hook, and a
 * hook with limits is found again by the same means. Source: systemd-run(1), systemd.resource-control(5).
 */
export function scopeWithLimits(limits: ResourceLimits | undefined, program = SYSTEMD_RUN): string[] {
  if (limits === undefined) return [];
  const { memoryMaxBytes, cpuPercent, maxTasks } = limits;
  return [
    program,
    '--scope',
    '--quiet',
    '--collect',
    '--description=Drover hook',
    ...(memoryMaxBytes === null ? [] : [`--property=MemoryMax=${memoryMaxBytes}`]),
    ...(cpuPercent === null ? [] : [`--property=CPUQuota=${cpuPercent}%`]),
    ...(maxTasks === null ? [] : [`--property=TasksMax=${maxTasks}`]),
    '--',
  ];
}

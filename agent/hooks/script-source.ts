const OF_THE_INSTALLED: ReadonlySet<string> = new Set(['BeforeBlockTraffic', 'AfterBlockTraffic', 'ApplicationStop']);

/**
 * Whose scripts run on an event: those of the revision that is installed (it knows how to stop itself), or the new one's.
 * Source: CodeDeploy agent, hook_executor.rb, MAPPING_BETWEEN_HOOKS_AND_DEPLOYMENTS.
 */
export function scriptSource(event: string): 'installed' | 'new' {
  return OF_THE_INSTALLED.has(event) ? 'installed' : 'new';
}

/** Events that the coordinator performs on a load balancer while the host waits. */
export function isTrafficGate(event: string): boolean {
  return event === 'BlockTraffic' || event === 'AllowTraffic';
}

import type { AgentConfig } from '../config.ts';
import { loadIdentity } from '../connection/identity.ts';
import type { ToldStatus } from './evidence.ts';
import { type Check, failed, judgeHost, judgeSurroundings, warning, wrong } from './judge.ts';
import { judgeConnection } from './judge-connection.ts';
import { outcomeOf } from './outcome.ts';
import { type ConnectionProbeParts, probeConnection } from './probe-connection.ts';
import { type HostProbeParts, probeHost, probeSurroundings } from './probe-host.ts';

export interface DoctorParts
  extends Omit<HostProbeParts, 'config' | 'layout' | 'isClaimed' | 'toldStatus'>,
    Pick<ConnectionProbeParts, 'clock'> {
  loadConfig(): Promise<Pick<HostProbeParts, 'config' | 'layout'>>;
  isClaimed(stateDirectory: string): Promise<boolean>;
  toldStatus(statusPath: string): Promise<ToldStatus | null>;
  readCa(config: AgentConfig): Promise<string | null>;
  connections(coordinatorUrl: string, ca: string | null): Pick<ConnectionProbeParts, 'http' | 'websocket'>;
}

/**
 * What stands between this host and its next deployment. Looks at everything that it can, also when something before it is
 * broken; changes nothing on the host, and runs beside the agent.
 */
export async function examine(parts: DoctorParts): Promise<Check[]> {
  const loaded = await outcomeOf(parts.loadConfig);
  const surroundings = await probeSurroundings(parts);
  // What the configuration names cannot be looked at without it.
  if (!loaded.ok) return [failed('config', loaded), ...judgeSurroundings(surroundings)];
  const { config, layout } = loaded.value;
  const host = await probeHost({
    ...parts,
    config,
    layout,
    isClaimed: () => parts.isClaimed(config.stateDirectory),
    toldStatus: () => parts.toldStatus(layout.status),
  });
  const enrolment = host.identity.ok ? (host.identity.value?.enrolment ?? null) : null;
  const checks = [...judgeHost(host), ...judgeSurroundings(surroundings)];
  const coordinatorUrl = config.coordinatorUrl ?? enrolment?.coordinatorUrl ?? null;
  if (coordinatorUrl === null)
    return [...checks, warning('reach', 'no coordinator is named', 'Enrol, or set coordinatorUrl.')];
  const ca = await outcomeOf(() => parts.readCa(config));
  if (!ca.ok) return [...checks, wrong('tls', ca.message, 'Correct caFile; without it no coordinator is trusted.')];
  const { http, websocket } = parts.connections(coordinatorUrl, ca.value);
  try {
    const identity = enrolment === null ? null : await loadIdentity(parts.disk, layout.identity);
    const evidence = await probeConnection({
      coordinatorUrl,
      ca: ca.value,
      clock: parts.clock,
      identity,
      http,
      websocket,
    });
    return [...checks, ...judgeConnection(evidence, enrolment, parts.clock.now())];
  } finally {
    http.close();
  }
}

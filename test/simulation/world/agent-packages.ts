import type { AgentPackages } from '../../../coordinator/services/agent-updates/agent-packages.ts';
import { AppError } from '../../../shared/core/errors.ts';
import { AGENT_APPLICATION } from '../../../shared/model/agent-update.ts';
import { packBundle, type Script } from './bundle.ts';

/** As systemd/agent-update/appspec.yml has them: the script of each event, and how long it may take, s. */
const SCRIPTS = { BeforeInstall: 60, ApplicationStart: 1_800, ValidateService: 60 } as const;
const KINDS = { deb: 'deb', archive: 'tar.gz' } as const;

/** PORT AgentPackages: packages of these versions for all machines of the simulation, in bundles whose scripts `agent-updater.ts` runs. */
export function simulatedAgentPackages(versions: readonly string[]): AgentPackages {
  return {
    list: async () =>
      versions.flatMap((version) =>
        (['deb', 'archive'] as const).map((kind) => ({
          file: `drover-agent_${version}_amd64.${KINDS[kind]}`,
          version,
          architecture: 'amd64',
          kind,
        })),
      ),
    async withBundle(version, use) {
      if (!versions.includes(version)) throw new AppError('not_found', `there is no package of ${version}`);
      const { bytes, digest } = makeAgentBundle(version);
      return use({
        digest,
        sizeBytes: bytes.length,
        bundleType: 'tar',
        async *open() {
          yield bytes;
        },
      });
    },
  };
}

function makeAgentBundle(version: string) {
  const events = Object.entries(SCRIPTS);
  const hooks = events.map(([event, timeout]) => `  ${event}:\n    - { location: ${event}-0.sh, timeout: ${timeout} }`);
  return packBundle([
    { path: 'appspec.yml', mode: 0o644, text: `version: 0.0\nos: linux\nhooks:\n${hooks.join('\n')}\n` },
    { path: 'VERSION', mode: 0o644, text: version },
    ...events.map(([event]) => ({
      path: `${event}-0.sh`,
      mode: 0o755,
      text: JSON.stringify({
        application: AGENT_APPLICATION,
        revision: version,
        event,
        index: 0,
        isLast: true,
      } satisfies Script),
    })),
  ]);
}

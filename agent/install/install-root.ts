import { posix } from 'node:path';
import type { AppSpec } from '../../shared/appspec/appspec.ts';

/**
 * The AppSpec as it applies on a host whose agent installs below a directory of its own (`installRoot`): several agents on
 * one machine, or an agent that is not root. Hooks find the directory in DROVER_INSTALL_ROOT.
 */
export function belowInstallRoot(appSpec: AppSpec, installRoot: string): AppSpec {
  if (installRoot === '/') return appSpec;
  const below = (path: string) => posix.join(installRoot, path);
  return {
    ...appSpec,
    files: appSpec.files.map((mapping) => ({ ...mapping, destination: below(mapping.destination) })),
    permissions: appSpec.permissions.map((permission) => ({ ...permission, object: below(permission.object) })),
    release: appSpec.release === null ? null : { ...appSpec.release, directory: below(appSpec.release.directory) },
  };
}

/** What hooks are told of it: nothing on an ordinary host. */
export function installRootVariable(installRoot: string): Record<string, string> {
  return installRoot === '/' ? {} : { DROVER_INSTALL_ROOT: installRoot };
}

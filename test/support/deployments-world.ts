import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { DeploymentsParts } from '../../agent/deployment/deployments.ts';
import { layoutOf } from '../../agent/deployment/layout.ts';
import { noSecrets } from '../../agent/hooks/secrets.ts';
import { createAccounts } from '../../agent/host/accounts.ts';
import { createNodeDisk } from '../../agent/host/node-disk.ts';
import { createNodeProcessRunner, type NodeProcessRunner } from '../../agent/host/node-process-runner.ts';
import { ownAccount } from '../../agent/host/own-account.ts';
import { type Journal, openJournal } from '../../agent/journal/journal.ts';
import { silentLogger } from '../../shared/core/logger.ts';
import { systemClock } from '../../shared/core/system-clock.ts';
import { systemRandomness } from '../../shared/core/system-randomness.ts';
import { type TreeSpec, writeTree } from './tree.ts';

const disk = createNodeDisk();

/**
 * One agent's deployments on a state directory, with real scripts, a bundle that is written instead of downloaded, an Install that
 * does nothing, and a host whose boots the test decides.
 */
export interface DeploymentsWorld {
  parts: DeploymentsParts;
  journal: Journal;
  /** Commands that were to reboot the host. */
  readonly reboots: number;
}

export async function openDeploymentsWorld(
  root: string,
  host: {
    boot: string;
    bundle: TreeSpec;
    changes?: Partial<DeploymentsParts>;
    maxReboots?: number;
    rebootTimeoutMs?: number;
  },
): Promise<DeploymentsWorld> {
  const stateDirectory = join(root, 'state');
  mkdirSync(stateDirectory, { recursive: true });
  const layout = layoutOf(stateDirectory);
  const journal = await openJournal({ disk, path: layout.journal, randomness: systemRandomness });
  const processes = rebootable(host.boot);
  let reboots = 0;
  const parts: DeploymentsParts = {
    disk,
    clock: systemClock,
    logger: silentLogger,
    journal,
    layout,
    hooks: {
      disk,
      processes,
      accounts: createAccounts({ disk, run: processes.run }),
      clock: systemClock,
      logger: silentLogger,
      ownAccount: ownAccount(),
      maxOutputBytes: 1_024 * 1_024,
      secrets: noSecrets,
    },
    reboots: {
      reboot: async () => {
        reboots++;
      },
      maxReboots: host.maxReboots ?? 3,
      timeoutMs: host.rebootTimeoutMs ?? 60_000,
    },
    hostVariables: {},
    prepareBundle: async ({ deploymentDirectory }) => {
      const archiveRoot = join(deploymentDirectory, 'deployment-archive');
      writeTree(archiveRoot, host.bundle);
      return { ok: true, archiveRoot, downloadedBytes: 0, reusedBytes: 0 };
    },
    install: async () => ({ ok: true, installedFiles: 0, removedFiles: 0 }),
    retainBundles: async () => new Set(),
    maxRevisions: 3,
    onEvent: () => {},
    onFinished: () => {},
    onFailure: (error) => {
      throw error;
    },
    ...host.changes,
  };
  return {
    parts,
    journal,
    get reboots() {
      return reboots;
    },
  };
}

/** Real processes under a boot id of the test's. What an earlier boot had started is gone, as far as the agent can see. */
function rebootable(boot: string): NodeProcessRunner {
  const real = createNodeProcessRunner({ clock: systemClock, toolEnvironment: {} });
  return {
    ...real,
    bootId: async () => boot,
    findStarted: async (start) =>
      start.bootId === boot
        ? real.findStarted({ ...start, bootId: await real.bootId() })
        : real.findStarted({ ...start, bootId: 'another' }),
  };
}

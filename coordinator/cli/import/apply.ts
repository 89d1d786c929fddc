import { join } from 'node:path';
import { digestFile } from '../../../shared/bundle/pack.ts';
import { AppError, errorMessage, isAppError } from '../../../shared/core/errors.ts';
import type { DroverClient } from '../../../shared/sdk/drover-client.ts';
import type { Cli } from '../cli.ts';
import { ProgressLine } from '../progress-line.ts';
import { remark } from './import-item.ts';
import type { PlannedItem } from './plan.ts';
import type { WantedRevision } from './revisions.ts';
import type { S3Bundles } from './s3-bundles.ts';

/**
 * Creates what the plan says, in its order. What the coordinator refuses is an item that failed, and the rest goes on; what
 * nobody can go on after (it cannot be reached, the token is not good enough) is thrown, and so is the signal's reason: the next run
 * goes on from there.
 */
export async function applyImport(
  cli: Cli,
  parts: { plan: readonly PlannedItem[]; client: DroverClient; bundles: S3Bundles; signal: AbortSignal },
): Promise<PlannedItem[]> {
  const { signal } = parts;
  const done: PlannedItem[] = [];
  for (const item of parts.plan) {
    if (item.state !== 'create') {
      done.push(item);
      continue;
    }
    signal.throwIfAborted();
    try {
      done.push(await create(cli, item, parts));
    } catch (error) {
      signal.throwIfAborted();
      if (isAppError(error, 'unauthorized') || isAppError(error, 'forbidden') || isUnreachable(error)) throw error;
      done.push({ ...item, state: 'failed', reasons: [remark('failed', errorMessage(error))] });
    }
  }
  return done;
}

async function create(
  cli: Cli,
  item: PlannedItem,
  parts: { client: DroverClient; bundles: S3Bundles; signal: AbortSignal },
): Promise<PlannedItem> {
  const { client } = parts;
  switch (item.kind) {
    case 'application':
      if (item.wanted !== undefined) await client.createApplication({ name: item.wanted.name });
      break;
    case 'deployment-config':
      if (item.wanted !== undefined)
        await client.createDeploymentConfig({ name: item.wanted.name, minimumHealthyHosts: item.wanted.minimum });
      break;
    case 'deployment-group':
      if (item.wanted !== undefined) await client.createDeploymentGroup(item.wanted);
      break;
    case 'revision': {
      if (item.wanted === undefined) break;
      const label = await register(cli, item.wanted, parts);
      if (label !== item.wanted.label)
        return { ...item, state: 'same', notes: [remark('same-bundle', `the same bundle is here as ${label}`)] };
      break;
    }
    case 'on-premises-instance':
      return item;
  }
  return { ...item, state: 'created' };
}

/** Returns the label under which the bundle is here: another one when it was here before. */
async function register(
  cli: Cli,
  wanted: WantedRevision,
  { client, bundles, signal }: { client: DroverClient; bundles: S3Bundles; signal: AbortSignal },
): Promise<string> {
  const { application, label, description, bundleType, from } = wanted;
  if (from.kind === 'url') {
    const request = { application, url: from.url, bundleType, label, description };
    const revision = await client.registerRevision(request, { signal }).catch((error: unknown) => {
      // The coordinator could not fetch it: that is about this bundle, and not about the coordinator.
      throw isAppError(error, 'unavailable') ? bundleUnavailable(error.message) : error;
    });
    return revision.label;
  }
  return cli.world.files.withTemporaryDirectory(async (directory) => {
    const path = join(directory, 'bundle');
    const looked = await bundles.look(from);
    if ('code' in looked) throw bundleUnavailable(looked.text);
    const progress = new ProgressLine(cli, `fetching ${wanted.name}`);
    await bundles
      .fetch(from, path, { signal, onProgress: (readBytes) => progress.update(readBytes, looked.sizeBytes) })
      .finally(() => progress.close());
    const { digest } = await digestFile(path, signal);
    const [known] = (await client.listRevisions({ application, digest, limit: 1 }, { signal })).items;
    if (known !== undefined) return known.label;
    const revision = await client.uploadBundle({
      application,
      from: { path },
      digest,
      bundleType,
      label,
      description,
      signal,
    });
    return revision.label;
  });
}

function bundleUnavailable(told: string): AppError {
  return new AppError('unavailable', told, { details: { reason: 'bundle' } });
}

/** The coordinator, and not where one bundle comes from. */
function isUnreachable(error: unknown): boolean {
  return isAppError(error, 'unavailable') && error.details['reason'] !== 'bundle';
}

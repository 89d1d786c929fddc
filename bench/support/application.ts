import { createHash } from 'node:crypto';
import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { create } from 'tar';
import type { DroverClient } from '../../shared/sdk/drover-client.ts';
import type { Bench } from '../figure.ts';

export const APPLICATION = 'bench';
export const GROUP = 'hosts';

/** An application with a group of all hosts that are tagged role=web, and one small revision. */
export async function setUpApplication(bench: Bench, client: DroverClient) {
  await client.createApplication({ name: APPLICATION });
  await client.createDeploymentGroup({
    application: APPLICATION,
    name: GROUP,
    selection: { tagFilters: [{ type: 'KEY_AND_VALUE', key: 'role', value: 'web' }] },
    deploymentConfigName: 'CodeDeployDefault.AllAtOnce',
  });
  const path = packBundle(bench, 'small.tgz', { 'appspec.yml': 'version: 0.0\nos: linux\n' });
  const revision = await uploadRevision(client, path, 'small');
  return { application: APPLICATION, deploymentGroup: GROUP, revision };
}

/** Writes the files (scripts are executable) and packs them; returns the archive's path. */
export function packBundle(bench: Bench, name: string, files: Readonly<Record<string, string>>): string {
  const tree = join(bench.directory, `${name}.tree`);
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(tree, path)), { recursive: true });
    writeFileSync(join(tree, path), text);
    if (path.endsWith('.sh')) chmodSync(join(tree, path), 0o755);
  }
  const path = join(bench.directory, name);
  create({ sync: true, gzip: name.endsWith('.tgz'), portable: true, cwd: tree, file: path }, ['.']);
  rmSync(tree, { recursive: true });
  return path;
}

/** Returns the revision's label. */
export async function uploadRevision(client: DroverClient, path: string, label: string): Promise<string> {
  const digest = createHash('sha256').update(readFileSync(path)).digest('hex');
  const bundleType = path.endsWith('.tgz') ? 'tgz' : 'tar';
  await client.uploadBundle({ application: APPLICATION, from: { path }, digest, bundleType, label });
  return label;
}

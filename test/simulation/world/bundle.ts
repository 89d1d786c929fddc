import { createHash } from 'node:crypto';
import * as z from 'zod';

/*
 * A bundle of the simulation: real bytes with a real digest that hold a real AppSpec and scripts; only the archive's format is
 * our own, since unpacking belongs to the disk, which is simulated. A script is not run by a shell: it says what it is.
 */
const bundleSchema = z.array(z.object({ path: z.string(), mode: z.number(), text: z.string() }));
export type Bundle = z.infer<typeof bundleSchema>;

const scriptSchema = z.object({
  application: z.string(),
  revision: z.string(),
  event: z.string(),
  index: z.number(),
  isLast: z.boolean(),
});
export type Script = z.infer<typeof scriptSchema>;

export const HOOK_EVENTS = ['ApplicationStop', 'BeforeInstall', 'ApplicationStart', 'ValidateService'] as const;

/** How long a script may take, s. */
export const SCRIPT_TIMEOUT_SECONDS = 30;

/** All that is installed lies in here. */
export const INSTALLED = '/srv/';

/** Where a revision of an application lies once it is installed; the file holds the revision's label. */
export function installedPath(application: string): string {
  return `${installedDirectory(application)}/REVISION`;
}

export function installedDirectory(application: string): string {
  return `${INSTALLED}${application}`;
}

/** So many of such files the revisions of a history with deltas have: three quarters of their bytes. */
export const ASSETS = 5;

/** Files that all revisions of an application have, as large programs have most of theirs. */
export function assetNames(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `asset-${index}`);
}

export function assetText(application: string, name: string): string {
  return `${name} of ${application}, `.repeat(60);
}

/** A file that no other revision has. */
export function ownFile(label: string): string {
  return `only-${label}`;
}

/** What a revision installs. */
export function filesOf({ label, assets }: { label: string; assets: number }): string[] {
  return ['REVISION', ownFile(label), ...assetNames(assets)];
}

export function makeBundle(revision: { application: string; label: string; scriptsPerEvent: number; assets: number }): {
  bytes: Buffer;
  digest: string;
} {
  const { application, label } = revision;
  const indexes = Array.from({ length: revision.scriptsPerEvent }, (_, index) => index);
  const scripts = HOOK_EVENTS.flatMap((event) =>
    indexes.map(
      (index): Script => ({
        application,
        revision: label,
        event,
        index,
        isLast: index === indexes.length - 1,
      }),
    ),
  );
  const hooks = HOOK_EVENTS.map((event) =>
    [
      `  ${event}:`,
      ...indexes.map((index) => `    - { location: ${event}-${index}.sh, timeout: ${SCRIPT_TIMEOUT_SECONDS} }`),
    ].join('\n'),
  );
  const files = filesOf(revision).map(
    (source) => `  - { source: ${source}, destination: ${installedDirectory(application)} }`,
  );
  const appSpec = `version: 0.0\nos: linux\nfiles:\n${files.join('\n')}\nhooks:\n${hooks.join('\n')}\n`;
  const bundle: Bundle = [
    { path: 'appspec.yml', mode: 0o644, text: appSpec },
    { path: 'REVISION', mode: 0o644, text: label },
    { path: ownFile(label), mode: 0o644, text: label },
    ...assetNames(revision.assets).map((path) => ({ path, mode: 0o644, text: assetText(application, path) })),
    ...scripts.map((script) => ({
      path: `${script.event}-${script.index}.sh`,
      mode: 0o755,
      text: JSON.stringify(script),
    })),
  ];
  return packBundle(bundle);
}

export function packBundle(bundle: Bundle): { bytes: Buffer; digest: string } {
  const bytes = Buffer.from(JSON.stringify(bundle));
  return { bytes, digest: createHash('sha256').update(bytes).digest('hex') };
}

/** Null for bytes that are no bundle. */
export function readBundle(bytes: Buffer): Bundle | null {
  try {
    return bundleSchema.parse(JSON.parse(bytes.toString('utf8')));
  } catch {
    // A half archive, for instance: the agent's digest should have kept it from us.
    return null;
  }
}

export function readScript(bytes: Buffer): Script | null {
  try {
    return scriptSchema.parse(JSON.parse(bytes.toString('utf8')));
  } catch {
    // A script whose bytes were lost in a power cut.
    return null;
  }
}

/** As a line may damage it: still an archive, with another byte in the installed file. */
export function damaged(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes);
  const text = '"text":"';
  const at = copy.indexOf(text, copy.indexOf('"REVISION"')) + text.length;
  copy[at] = 'X'.charCodeAt(0);
  return copy;
}

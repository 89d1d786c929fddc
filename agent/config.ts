import * as z from 'zod';
import { nearestName } from '../shared/appspec/nearest.ts';
import { MAX_BUNDLE_BYTES, MAX_BUNDLE_ENTRIES, MAX_UNPACKED_BYTES } from '../shared/bundle/limits.ts';
import { AppError, errnoOf, errorMessage } from '../shared/core/errors.ts';
import { hostName } from '../shared/model/host.ts';
import type { Disk } from './host/disk.ts';

export const DEFAULT_CONFIG_PATH = '/etc/drover/agent.yaml';
const MAX_CONFIG_BYTES = 256 * 1_024;
const MIB = 1_024 * 1_024;

const variableName = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/);
const absolutePath = z.string().regex(/^\//, 'an absolute path');

/** /etc/drover/agent.yaml. Every key has a default; examples/agent.yaml explains each, and a test holds it to this. */
const agentConfig = z.strictObject({
  /** Where the coordinator is; null: where this host enrolled. */
  coordinatorUrl: z
    .url({ protocol: /^https?$/, error: 'an http:// or https:// address' })
    .nullable()
    .default(null),
  /** PEM file of the authority that signed the coordinator's certificate; null: the system's authorities. */
  caFile: absolutePath.nullable().default(null),
  stateDirectory: absolutePath.default('/var/lib/drover-agent'),
  /** AppSpec destinations lie below this directory; hooks find it in DROVER_INSTALL_ROOT. `/`: as the AppSpec says. */
  installRoot: absolutePath.default('/'),
  /** What the host is called when it enrols; null: its hostname. */
  name: hostName.nullable().default(null),
  logLevel: z.enum(['debug', 'info', 'warn', 'error']).default('info'),
  hooks: z
    .strictObject({
      /** Variables that every hook on this host gets. */
      environment: z.record(variableName, z.string().max(4_096)).default({}),
      /** Output that is kept of each lifecycle event, bytes. */
      maxOutputBytes: z
        .int()
        .min(64 * 1_024)
        .max(16 * 1_024 * MIB)
        .default(64 * MIB),
      /** What must not be seen in hooks' output. */
      secrets: z
        .strictObject({
          /** Each line is one, or the value in it. */
          files: z.array(absolutePath).max(64).default([]),
          /** Names of variables that hooks get. */
          variables: z.array(variableName).max(64).default([]),
        })
        .prefault({}),
      /** What reboots this host when a script asks for it: a program and its arguments. */
      rebootCommand: z.array(z.string().min(1).max(4_096)).min(1).max(32).default(['systemctl', 'reboot']),
      /** Reboots that the scripts of one deployment may ask for; 0: none. */
      maxReboots: z.int().min(0).max(16).default(3),
      /** How long the host may take from the asking to its next boot, ms. */
      rebootTimeoutMs: z.int().min(1_000).max(86_400_000).default(600_000),
    })
    .prefault({}),
  limits: z
    .strictObject({
      /** Deployments kept on the disk in each deployment group, the installed one beside. */
      maxRevisions: z.int().min(1).max(1_000).default(3),
      /** The cache of downloaded bundles, bytes. */
      maxCacheBytes: z
        .int()
        .min(0)
        .default(2 * 1_024 * MIB),
      maxBundleBytes: z.int().min(1).max(MAX_BUNDLE_BYTES).default(MAX_BUNDLE_BYTES),
      maxUnpackedBytes: z.int().min(1).max(MAX_UNPACKED_BYTES).default(MAX_UNPACKED_BYTES),
      maxBundleEntries: z.int().min(1).max(MAX_BUNDLE_ENTRIES).default(MAX_BUNDLE_ENTRIES),
      /** Space that a download or an install leaves free, bytes. */
      reserveBytes: z
        .int()
        .min(0)
        .default(64 * MIB),
      /** Attempts at a download, each going on where the one before was cut. */
      maxDownloadAttempts: z.int().min(1).max(100).default(10),
      /** How long a stopping agent waits for its last reports to be acknowledged, ms. */
      drainMs: z.int().min(0).max(300_000).default(5_000),
    })
    .prefault({}),
});
export type AgentConfig = z.infer<typeof agentConfig>;

/** Checked and with its defaults. @throws AppError `invalid` with the path of every wrong key. */
export function parseConfig(value: unknown, from: string): AgentConfig {
  const parsed = agentConfig.safeParse(value ?? {});
  if (parsed.success) return Object.freeze(parsed.data);
  const { issues } = parsed.error;
  const problems = issues.flatMap((issue) => {
    const path = issue.path.map(String);
    if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => `${[...path, key].join('.')} is no setting`);
    return `${path.join('.') || 'file'}: ${issue.message}`;
  });
  const unknown = issues.find((issue) => issue.code === 'unrecognized_keys');
  throw new AppError('invalid', `${from}: ${problems.join('; ')}`, {
    hint: unknown === undefined ? 'examples/agent.yaml explains every key.' : settingsHint(unknown),
    details: { problems },
  });
}

/** What the first unknown key was meant to be, and what there is in its place. */
function settingsHint({ path, keys }: z.core.$ZodIssueUnrecognizedKeys): string {
  const accepted = settingsAt(path.map(String));
  const nearest = nearestName(keys[0] ?? '', accepted);
  const hint = `Accepted ${path.length === 0 ? 'here' : `in ${path.join('.')}`}: ${accepted.join(', ')}.`;
  return nearest === null ? hint : `Did you mean ${nearest}? ${hint}`;
}

function settingsAt(path: readonly string[]): string[] {
  let schema: z.core.$ZodType = agentConfig;
  for (const key of [...path, null]) {
    while (schema instanceof z.ZodPrefault) schema = schema.unwrap();
    if (!(schema instanceof z.ZodObject)) return [];
    if (key === null) return Object.keys(schema.shape);
    const inner: z.core.$ZodType | undefined = schema.shape[key];
    if (inner === undefined) return [];
    schema = inner;
  }
  return [];
}

/** @param path null: the default file, which need not exist. */
export async function loadConfig(disk: Pick<Disk, 'readFile'>, path: string | null): Promise<AgentConfig> {
  const from = path ?? DEFAULT_CONFIG_PATH;
  let text: string;
  try {
    text = (await disk.readFile(from, MAX_CONFIG_BYTES)).toString('utf8');
  } catch (error) {
    if (path === null && errnoOf(error) === 'ENOENT') return parseConfig({}, from);
    throw new AppError('invalid', `read the configuration ${from}: ${errorMessage(error)}`, { cause: error });
  }
  // An agent without a file does without the YAML parser's memory.
  const { parse } = await import('yaml');
  let value: unknown;
  try {
    value = parse(text);
  } catch (error) {
    throw new AppError('invalid', `${from}: ${errorMessage(error)}`, { hint: 'It is not YAML.', cause: error });
  }
  return parseConfig(value, from);
}

import { posix } from 'node:path';
import type { FileMapping, ReleaseDirectory } from './appspec.ts';
import { absolutePath } from './parse-files.ts';
import type { Field, Value, YamlReader } from './yaml-reader.ts';

const RELEASE_KEYS = ['directory', 'shared', 'keep'] as const;
const DEFAULT_KEEP = 3;
const MAX_KEEP = 100;

/** `strategy: release-directory` and its `release`; null for an ordinary install. */
export function parseStrategy(
  reader: YamlReader,
  fields: ReadonlyMap<string, Field>,
  files: readonly FileMapping[],
): ReleaseDirectory | null {
  const strategy = given(fields, 'strategy');
  const release = given(fields, 'release');
  if (strategy === null) {
    if (release !== null)
      reader.error(release, {
        code: 'release-without-strategy',
        message: 'release has no meaning without a strategy',
        hint: 'add "strategy: release-directory"',
      });
    return null;
  }
  if (strategy.written !== 'release-directory') {
    reader.error(strategy, {
      code: 'strategy-unknown',
      message: 'strategy must be release-directory',
      hint: 'leave it out for an ordinary install',
    });
    return null;
  }
  reader.warning(strategy, {
    code: 'drover-extension',
    message:
      "strategy is Drover's own; AWS's agents copy the files into the directory current, over those that are there",
  });
  if (release === null) {
    reader.error(strategy, {
      code: 'release-missing',
      message: 'the strategy release-directory needs "release:" with a directory',
      hint: 'release: {directory: /srv/app}',
    });
    return null;
  }
  return parseRelease(reader, release, files);
}

function parseRelease(reader: YamlReader, value: Value, files: readonly FileMapping[]): ReleaseDirectory | null {
  const fields = reader.record(value, RELEASE_KEYS);
  if (fields === null) return null;
  const shared = parseShared(reader, given(fields, 'shared'));
  const keep = parseKeep(reader, given(fields, 'keep'));
  const directoryValue = given(fields, 'directory');
  if (directoryValue === null) {
    reader.error(value, {
      code: 'release-missing',
      message: `${value.path} has no directory`,
      hint: 'add "directory:", where releases, current and shared are to be',
    });
    return null;
  }
  const written = reader.text(directoryValue);
  const directory = written === null ? null : absolutePath(reader, directoryValue, written);
  if (directory === null) return null;
  const current = posix.join(directory, 'current');
  if (!files.some(({ destination }) => destination === current || destination.startsWith(`${current}/`)))
    reader.error(directoryValue, {
      code: 'release-empty',
      message: `no files have ${current} for their destination`,
      hint: `what belongs to the release goes to "destination: ${current}"`,
    });
  return { directory, shared, keep };
}

function parseShared(reader: YamlReader, value: Value | null): string[] {
  const paths: string[] = [];
  for (const item of value === null ? [] : (reader.items(value) ?? [])) {
    const written = reader.text(item);
    if (written === null) continue;
    const path = posix.normalize(written);
    if (path.startsWith('/') || path.split('/').includes('..') || path === '.' || path === './')
      reader.error(item, {
        code: 'shared-path',
        message: `${item.path} must be a path within the release, without ..`,
        hint: 'for example log/ or config/local.yaml',
      });
    else paths.push(path);
  }
  return paths;
}

function parseKeep(reader: YamlReader, value: Value | null): number {
  if (value === null) return DEFAULT_KEEP;
  const keep = Number(value.written);
  if (Number.isInteger(keep) && keep >= 1 && keep <= MAX_KEEP) return keep;
  reader.error(value, { code: 'release-keep', message: `${value.path} must be a whole number from 1 to ${MAX_KEEP}` });
  return DEFAULT_KEEP;
}

function given(fields: ReadonlyMap<string, Field>, key: string): Value | null {
  const value = fields.get(key)?.value;
  return value === undefined || value.kind === 'null' ? null : value;
}

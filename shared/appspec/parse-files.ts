import { posix } from 'node:path';
import type { FileMapping } from './appspec.ts';
import type { Value, YamlReader } from './yaml-reader.ts';

const FILE_KEYS = ['source', 'destination'] as const;

export function parseFiles(reader: YamlReader, files: Value | null): FileMapping[] {
  if (files === null) return [];
  const mappings: FileMapping[] = [];
  for (const item of reader.items(files, 'each file is an item: "- source: …" and below it "destination: …"') ?? []) {
    const fields = reader.record(item, FILE_KEYS);
    if (fields === null) continue;
    const source = parseSource(reader, item, fields.get('source')?.value);
    const destination = parseDestination(reader, item, fields.get('destination')?.value);
    if (source !== null && destination !== null) mappings.push({ source, destination, line: item.line });
  }
  return mappings;
}

function parseSource(reader: YamlReader, item: Value, value: Value | undefined): string | null {
  if (value === undefined || value.kind === 'null') {
    reader.error(item, {
      code: 'file-source-missing',
      message: `${item.path} has a destination but no source`,
      hint: 'add "source:", a path from the bundle\'s root; / is the whole bundle',
    });
    return null;
  }
  const written = reader.text(value);
  // CodeDeploy's documentation lets a lone backslash stand for the whole bundle.
  return written === null ? null : pathInBundle(reader, value, written === '\\' ? '/' : written);
}

function parseDestination(reader: YamlReader, item: Value, value: Value | undefined): string | null {
  if (value === undefined || value.kind === 'null') {
    reader.error(item, {
      code: 'file-destination-missing',
      message: `${item.path} has no destination`,
      hint: 'add "destination:", an absolute directory on the host',
    });
    return null;
  }
  const written = reader.text(value);
  return written === null ? null : absolutePath(reader, value, written);
}

/** A path from the bundle's root without a leading slash; `.` is the bundle itself. Complains about `..`. */
export function pathInBundle(reader: YamlReader, value: Value, written: string): string | null {
  if (written.split('/').includes('..')) {
    reader.error(value, {
      code: 'path-leaves-bundle',
      message: `${value.path} must not contain ..`,
      hint: "give the path from the bundle's root",
    });
    return null;
  }
  const relative = posix.normalize(`./${written}`).replace(/\/+$/, '');
  return relative === '' ? '.' : relative;
}

/** Normalised and without a slash at its end. */
export function absolutePath(reader: YamlReader, value: Value, written: string): string | null {
  if (!written.startsWith('/')) {
    reader.error(value, {
      code: 'path-relative',
      message: `${value.path} must be an absolute path, but is ${written}`,
      hint: /^[A-Za-z]:\\/.test(written)
        ? 'Drover deploys to Linux hosts'
        : `did you mean /${written.replace(/^(\.\/)+/, '')}?`,
    });
    return null;
  }
  const normal = posix.normalize(written);
  return normal.length > 1 ? normal.replace(/\/$/, '') : normal;
}

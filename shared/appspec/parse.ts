import { fileExistsBehavior as fileExistsBehaviorSchema } from '../model/deployment-group.ts';
import type { AppSpec, AppSpecResult } from './appspec.ts';
import { parseFiles } from './parse-files.ts';
import { parseHooks } from './parse-hooks.ts';
import { parsePermissions } from './parse-permissions.ts';
import { parseStrategy } from './parse-strategy.ts';
import { type Field, readYaml, type Value, type YamlReader } from './yaml-reader.ts';

const TOP_KEYS = [
  'version',
  'os',
  'files',
  'permissions',
  'hooks',
  'file_exists_behavior',
  'strategy',
  'release',
] as const;

export interface ParseOptions {
  /** Named in messages; `appspec.yml` when absent. */
  fileName?: string;
  /**
   * Events of the deployment outside of CodeDeploy's list (`drover-agent local`): hooks may be on them, and each must be there.
   * `any` for an AppSpec that was accepted by an earlier deployment, which may have had others.
   */
  customEvents?: readonly string[] | 'any';
}

/** Reads an AppSpec file, telling every problem at once. Never throws. Source of the rules: docs/appspec.md. */
export function parseAppSpec(text: string, options: ParseOptions = {}): AppSpecResult {
  const fileName = options.fileName ?? 'appspec.yml';
  const reader = readYaml(text);
  const root = reader.root;
  const isBroken = reader.problems.some((problem) => problem.code === 'yaml-syntax');
  if (isBroken) return { ok: false, problems: inOrder(reader) };
  if (root === null || root.kind === 'null') {
    reader.error(
      { path: '', offset: 0 },
      {
        code: 'empty',
        message: `the AppSpec file ${fileName} was empty`,
        hint: 'it needs at least "version: 0.0" and "os: linux"',
      },
    );
    return { ok: false, problems: inOrder(reader) };
  }
  const fields = reader.record(root, TOP_KEYS);
  if (fields === null) return { ok: false, problems: inOrder(reader) };

  checkVersion(reader, root, fields.get('version'));
  checkOs(reader, root, fields);
  const files = parseFiles(reader, given(fields, 'files'));
  const appSpec: AppSpec = {
    os: 'linux',
    files,
    fileExistsBehavior: parseFileExistsBehavior(reader, given(fields, 'file_exists_behavior')),
    permissions: parsePermissions(reader, given(fields, 'permissions')),
    hooks: parseHooks(reader, given(fields, 'hooks'), { customEvents: options.customEvents ?? [], root }),
    release: parseStrategy(reader, fields, files),
  };
  return reader.hasErrors ? { ok: false, problems: inOrder(reader) } : { ok: true, appSpec, warnings: inOrder(reader) };
}

/** A key without a value counts as absent, as with the CodeDeploy agent. */
function given(fields: ReadonlyMap<string, Field>, key: string): Value | null {
  const field = fields.get(key);
  return field === undefined || field.value.kind === 'null' ? null : field.value;
}

function checkVersion(reader: YamlReader, root: Value, field: Field | undefined): void {
  const hint = 'write "version: 0.0", without quotes';
  if (field === undefined || field.value.kind === 'null')
    reader.error(field?.value ?? root, { code: 'version-missing', message: 'the version is missing', hint });
  else if (field.value.kind !== 'number')
    reader.error(field.value, { code: 'version-not-a-number', message: 'the version must be the number 0.0', hint });
  else if (Number(field.value.scalar) !== 0)
    reader.error(field.value, {
      code: 'version-unsupported',
      message: `version ${field.value.written} is not supported`,
      hint,
    });
}

function checkOs(reader: YamlReader, root: Value, fields: ReadonlyMap<string, Field>): void {
  const field = fields.get('os');
  const hint = 'write "os: linux"';
  if (field === undefined || field.value.kind === 'null') {
    reader.error(field?.value ?? root, { code: 'os-missing', message: 'the os is missing', hint });
    return;
  }
  const os = field.value.kind === 'text' ? String(field.value.scalar) : null;
  if (os === 'linux') return;
  const message =
    os?.toLowerCase() === 'linux'
      ? `os must be linux in lower case, not ${os}`
      : `os ${field.value.written || 'of this kind'} is not supported; Drover deploys to Linux hosts`;
  reader.error(field.value, { code: 'os-unsupported', message, hint });
  const permissions = fields.get('permissions');
  if (os === 'windows' && permissions !== undefined && permissions.value.kind !== 'null')
    reader.error(permissions.value, { code: 'permissions-on-windows', message: 'permissions are for os linux only' });
}

function parseFileExistsBehavior(reader: YamlReader, value: Value | null): AppSpec['fileExistsBehavior'] {
  if (value === null) return null;
  const parsed = fileExistsBehaviorSchema.safeParse(value.scalar);
  if (parsed.success) return parsed.data;
  const upper = value.written.trim().toUpperCase();
  const isKnown = fileExistsBehaviorSchema.safeParse(upper).success;
  reader.error(value, {
    code: 'file-exists-behavior-unknown',
    message: `file_exists_behavior must be one of ${fileExistsBehaviorSchema.options.join(', ')}`,
    ...(isKnown ? { hint: `write it in upper case: ${upper}` } : {}),
  });
  return null;
}

function inOrder(reader: YamlReader) {
  return [...reader.problems].sort((a, b) => a.line - b.line || a.column - b.column);
}

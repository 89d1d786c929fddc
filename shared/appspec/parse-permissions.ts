import { parseAcl } from './acl.ts';
import type { Permission, SelinuxContext } from './appspec.ts';
import { absolutePath } from './parse-files.ts';
import { parseSelinuxRange } from './selinux-range.ts';
import type { Field, Value, YamlReader } from './yaml-reader.ts';

const PERMISSION_KEYS = ['object', 'pattern', 'except', 'type', 'owner', 'group', 'mode', 'acls', 'context'] as const;
const CONTEXT_KEYS = ['user', 'name', 'type', 'range', 'role'] as const;

export function parsePermissions(reader: YamlReader, permissions: Value | null): Permission[] {
  if (permissions === null) return [];
  const parsed: Permission[] = [];
  for (const item of reader.items(permissions, 'each permission is an item: "- object: /srv/app"') ?? []) {
    const fields = reader.record(item, PERMISSION_KEYS);
    if (fields === null) continue;
    const permission = parsePermission(reader, item, (key) => given(fields, key));
    if (permission !== null) parsed.push(permission);
  }
  return parsed;
}

function given(fields: ReadonlyMap<string, Field>, key: string): Value | null {
  const value = fields.get(key)?.value;
  return value === undefined || value.kind === 'null' ? null : value;
}

type Get = (key: (typeof PERMISSION_KEYS)[number]) => Value | null;

function parsePermission(reader: YamlReader, item: Value, get: Get): Permission | null {
  const object = parseObject(reader, item, get('object'));
  const pattern = get('pattern');
  const owner = get('owner');
  const group = get('group');
  const rest = {
    pattern: pattern === null ? '**' : (reader.text(pattern)?.trim() ?? '**'),
    except: texts(reader, get('except')),
    types: parseTypes(reader, get('type')),
    owner: owner === null ? null : (reader.word(owner)?.trim() ?? null),
    group: group === null ? null : (reader.word(group)?.trim() ?? null),
    mode: parseMode(reader, get('mode')),
    acls: parseAcls(reader, get('acls')),
    context: parseContext(reader, get('context')),
    line: item.line,
  };
  return object === null ? null : { object, ...rest };
}

function parseObject(reader: YamlReader, item: Value, value: Value | null): string | null {
  if (value === null) {
    reader.error(item, {
      code: 'permission-object-missing',
      message: `${item.path} has no object`,
      hint: 'add "object:", the file or directory that it is about',
    });
    return null;
  }
  const written = reader.text(value);
  return written === null ? null : absolutePath(reader, value, written.trim());
}

function texts(reader: YamlReader, value: Value | null): string[] {
  if (value === null) return [];
  const found: string[] = [];
  for (const item of reader.items(value) ?? []) {
    const text = reader.text(item);
    if (text !== null) found.push(text.trim());
  }
  return found;
}

function parseTypes(reader: YamlReader, value: Value | null): ('file' | 'directory')[] {
  if (value === null) return ['file', 'directory'];
  if (value.kind === 'text')
    reader.warning(value, {
      code: 'type-not-a-list',
      message: `${value.path} should be a list; AWS's agent fails on a bare value`,
      hint: `write [${value.written}]`,
    });
  const items = value.kind === 'text' ? [value] : (reader.items(value) ?? []);
  const types = new Set<'file' | 'directory'>();
  for (const item of items) {
    const type = item.scalar;
    if (type === 'file' || type === 'directory') types.add(type);
    else reader.error(item, { code: 'permission-type-unknown', message: `${item.path} must be file or directory` });
  }
  return [...types];
}

/**
 * One to four octal digits. An unquoted `0644` means what it says: YAML 1.1, which the CodeDeploy agent reads, makes the
 * number 420 of it, and that agent then sets mode 0420.
 */
function parseMode(reader: YamlReader, value: Value | null): number | null {
  if (value === null) return null;
  const written = value.written.trim();
  if (!/^[0-7]{1,4}$/.test(written)) {
    reader.error(value, {
      code: 'mode-invalid',
      message: `${value.path} must be one to four digits of 0-7`,
      hint: 'for example "mode: 755" or "mode: \'0644\'"; letters such as u+x are not understood',
    });
    return null;
  }
  if (value.kind === 'number' && value.isPlain && /^0[0-7]/.test(written))
    reader.warning(value, {
      code: 'mode-unquoted',
      message: `AWS's agent misreads an unquoted ${written} as ${Number.parseInt(written, 8)}; Drover reads ${written}`,
      hint: `write '${written}'`,
    });
  return Number.parseInt(written, 8);
}

function parseAcls(reader: YamlReader, value: Value | null): string[] {
  if (value === null) return [];
  const acls: string[] = [];
  const seen = new Set<string>();
  for (const item of reader.items(value) ?? []) {
    const text = reader.text(item, 'put an entry in quotes: "user:deploy:rw"');
    if (text === null) continue;
    const acl = parseAcl(text);
    if (!acl.ok)
      reader.error(item, {
        code: 'acl-invalid',
        message: `${item.path}: ${acl.message}`,
        hint: 'for example "user:deploy:rwx" or "default:group:web:r-x"',
      });
    else if (seen.has(acl.canonical.replace(/:[^:]*$/, '')))
      reader.error(item, {
        code: 'acl-invalid',
        message: `${item.path}: ${text} is about the same user, group or mask as an entry above`,
      });
    else {
      seen.add(acl.canonical.replace(/:[^:]*$/, ''));
      acls.push(acl.canonical);
    }
  }
  return acls;
}

function parseContext(reader: YamlReader, value: Value | null): SelinuxContext | null {
  if (value === null) return null;
  const fields = reader.record(value, CONTEXT_KEYS);
  if (fields === null) return null;
  const user = given(fields, 'user');
  const name = given(fields, 'name');
  const role = given(fields, 'role');
  if (role !== null)
    reader.error(role, {
      code: 'context-role',
      message: 'an SELinux role cannot be set',
      hint: 'remove role; files have object_r',
    });
  if (user !== null && name !== null && user.written !== name.written)
    reader.error(name, {
      code: 'context-user-twice',
      message: 'user and name mean the same and differ here',
      hint: 'remove one of them',
    });
  if (user !== null && name === null)
    reader.warning(user, {
      code: 'context-user',
      message: "AWS's agent reads the SELinux user from name and ignores user",
      hint: 'write name: to be understood by both',
    });
  const userValue = user ?? name;
  const userText = userValue === null ? null : (reader.text(userValue)?.trim() ?? null);
  const range = parseRange(reader, given(fields, 'range'));
  const type = given(fields, 'type');
  if (type === null) {
    reader.error(value, {
      code: 'context-type-missing',
      message: `${value.path} has no type`,
      hint: 'add "type:", for example httpd_sys_content_t',
    });
    return null;
  }
  const typeText = reader.text(type)?.trim() ?? null;
  return typeText === null ? null : { user: userText, type: typeText, range };
}

function parseRange(reader: YamlReader, value: Value | null): string | null {
  if (value === null) return null;
  const text = reader.text(value);
  if (text === null) return null;
  const range = parseSelinuxRange(text);
  if (range.ok) return range.canonical;
  reader.error(value, { code: 'context-range-invalid', message: range.message, hint: 'for example s0-s0:c0.c1023' });
  return null;
}

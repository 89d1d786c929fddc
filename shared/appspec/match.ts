import type { Permission } from './appspec.ts';

/**
 * Whether the entry is about this path below its object. `**` matches at any depth; every other pattern, and every
 * `except`, matches names directly below the object, with `*` for any run of characters. The object itself never matches.
 * Source: the CodeDeploy agent's LinuxPermissionInfo.matches_pattern? and matches_except?.
 */
export function permissionMatches(
  permission: Pick<Permission, 'object' | 'pattern' | 'except' | 'types'>,
  path: string,
  type: 'file' | 'directory',
): boolean {
  if (!permission.types.includes(type)) return false;
  const base = permission.object === '/' ? '/' : `${permission.object}/`;
  if (!path.startsWith(base) || path.length === base.length) return false;
  const name = path.slice(base.length);
  if (permission.pattern !== '**' && !globMatches(permission.pattern, name)) return false;
  return !permission.except.some((pattern) => globMatches(pattern, name));
}

/** `*` is any run of characters but a slash. Linear in the name's length for each star: no pattern can make it explode. */
function globMatches(pattern: string, name: string): boolean {
  if (name.includes('/')) return false;
  const parts = pattern.split('*');
  const [first = '', ...others] = parts;
  if (others.length === 0) return name === pattern;
  const last = others.pop() ?? '';
  if (name.length < first.length + last.length || !name.startsWith(first) || !name.endsWith(last)) return false;
  let position = first.length;
  const end = name.length - last.length;
  for (const part of others) {
    const found = name.indexOf(part, position);
    if (found === -1 || found + part.length > end) return false;
    position = found + part.length;
  }
  return true;
}

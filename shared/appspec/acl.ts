export type AclResult =
  /** `canonical`: `[default:](user|group|mask|other):name:rwx`, as setfacl takes it. */
  { ok: true; canonical: string; isDefault: boolean; type: AclType; name: string } | { ok: false; message: string };
type AclType = 'user' | 'group' | 'mask' | 'other';

const TYPES: Readonly<Record<string, AclType>> = {
  u: 'user',
  user: 'user',
  g: 'group',
  group: 'group',
  m: 'mask',
  mask: 'mask',
  o: 'other',
  other: 'other',
};

/**
 * One entry: `[d|default:][u|user|g|group|m|mask|o|other:]name:permissions`, permissions being an octal digit or letters
 * of r, w, x, -. Source: the CodeDeploy agent's linux_permission_info, AclInfo.
 */
export function parseAcl(entry: string): AclResult {
  const parts = entry.split(':').map((part) => part.trim());
  if (parts.length < 2 || parts.length > 4)
    return fail(`an ACL entry has two to four parts between colons, but "${entry}" has ${parts.length}`);
  const isDefault = parts[0] === 'd' || parts[0] === 'default';
  const rest = isDefault ? parts.slice(1) : parts;
  if (rest[0] === 'd' || rest[0] === 'default') return fail(`"${entry}" says default twice`);
  if (rest.length < 2) return fail(`"${entry}" lacks a name or permissions`);
  if (rest.length > 3) return fail(`"${entry}" has too many parts`);

  const letters = permissionLetters(rest.at(-1) ?? '');
  if (letters === null) return fail(`the permissions of "${entry}" must be one digit of 0-7 or letters of rwx-`);
  const named = namedPart(rest.slice(0, -1));
  if (named === null) return fail(`"${entry}" must be for user, group, mask or other`);
  const { type, name } = named;
  if ((type === 'mask' || type === 'other') && name !== '')
    return fail(`${type} takes no name, but "${entry}" has one`);
  if (name === '' && type !== 'mask' && !isDefault) return fail(`"${entry}" is a base entry; use mode to set it`);
  return { ok: true, canonical: `${isDefault ? 'default:' : ''}${type}:${name}:${letters}`, isDefault, type, name };
}

function fail(message: string): AclResult {
  return { ok: false, message };
}

/** `bob` alone is a user; `mask` alone is the mask. */
function namedPart(parts: readonly string[]): { type: AclType; name: string } | null {
  const [first = '', second] = parts;
  const type = Object.hasOwn(TYPES, first) ? TYPES[first] : undefined;
  if (second !== undefined) return type === undefined ? null : { type, name: second };
  if (type === undefined) return first === '' ? null : { type: 'user', name: first };
  return { type, name: '' };
}

function permissionLetters(written: string): string | null {
  if (/^[0-7]$/.test(written)) {
    const bits = Number(written);
    return `${bits & 4 ? 'r' : '-'}${bits & 2 ? 'w' : '-'}${bits & 1 ? 'x' : '-'}`;
  }
  if (!/^[rwx-]+$/.test(written)) return null;
  return ['r', 'w', 'x'].map((letter) => (written.includes(letter) ? letter : '-')).join('');
}

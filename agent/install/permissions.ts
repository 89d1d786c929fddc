import type { Permission } from '../../shared/appspec/appspec.ts';
import { permissionMatches } from '../../shared/appspec/match.ts';
import { AppError, errorMessage } from '../../shared/core/errors.ts';
import type { Accounts } from '../host/accounts.ts';
import type { Disk } from '../host/disk.ts';
import type { ProcessRunner } from '../host/process-runner.ts';

const TOOL_TIMEOUT_MS = 60_000;

export interface ResolvedPermission {
  permission: Permission;
  /** -1 keeps. */
  uid: number;
  gid: number;
}

export interface PermissionPlan {
  /** By path of a file that is copied or of a directory that an install of this group made. */
  byPath: ReadonlyMap<string, ResolvedPermission>;
  faults: readonly string[];
  /** Objects that nothing of this install is in; most often a typing error. */
  unused: readonly string[];
}

export interface PermissionParts {
  accounts: Accounts;
  run: ProcessRunner['run'];
}

/** Decides who gets which permissions, looking up every owner and group and the tools that will be needed. */
export async function planPermissions(
  parts: PermissionParts,
  request: { permissions: readonly Permission[]; files: ReadonlySet<string>; directories: readonly string[] },
): Promise<PermissionPlan> {
  const byPath = new Map<string, ResolvedPermission>();
  const faults: string[] = [];
  const unused: string[] = [];
  for (const permission of request.permissions) {
    const resolved = await resolve(parts.accounts, permission, faults);
    const hits = hitsOf(permission, request, faults);
    if (hits.length === 0) unused.push(permission.object);
    for (const { path, type } of hits) {
      if (byPath.has(path))
        faults.push(
          `the permissions of ${path} are given more than once (line ${permission.line} of the AppSpec is one place)`,
        );
      if (type === 'file' && permission.acls.some((acl) => acl.startsWith('default:')))
        faults.push(
          `a default ACL cannot be set on the file ${path} (line ${permission.line} of the AppSpec); use "type: [directory]"`,
        );
      byPath.set(path, resolved);
    }
  }
  const used = [...byPath.values()].map((resolved) => resolved.permission);
  if (used.some((permission) => permission.acls.length > 0)) await requireTool(parts.run, 'setfacl', 'acls', faults);
  if (used.some((permission) => permission.context !== null))
    await requireTool(parts.run, 'semanage', 'context', faults);
  return { byPath, faults: [...new Set(faults)], unused };
}

async function resolve(accounts: Accounts, permission: Permission, faults: string[]): Promise<ResolvedPermission> {
  const where = `(line ${permission.line} of the AppSpec)`;
  const owner = permission.owner === null ? null : await accounts.user(permission.owner);
  const group = permission.group === null ? null : await accounts.group(permission.group);
  if (permission.owner !== null && owner === null)
    faults.push(`the owner ${permission.owner} ${where} is not a user of this host`);
  if (permission.group !== null && group === null)
    faults.push(`the group ${permission.group} ${where} is not a group of this host`);
  return { permission, uid: owner?.uid ?? -1, gid: group?.gid ?? -1 };
}

function hitsOf(
  permission: Permission,
  request: { files: ReadonlySet<string>; directories: readonly string[] },
  faults: string[],
): { path: string; type: 'file' | 'directory' }[] {
  if (request.files.has(permission.object)) {
    if (permission.pattern !== '**' || permission.except.length > 0)
      faults.push(
        `${permission.object} is a file, so it cannot have a pattern or except (line ${permission.line} of the AppSpec)`,
      );
    return permission.types.includes('file') ? [{ path: permission.object, type: 'file' }] : [];
  }
  const hits: { path: string; type: 'file' | 'directory' }[] = [];
  for (const path of request.files) if (permissionMatches(permission, path, 'file')) hits.push({ path, type: 'file' });
  for (const path of request.directories)
    if (permissionMatches(permission, path, 'directory')) hits.push({ path, type: 'directory' });
  return hits;
}

async function requireTool(run: ProcessRunner['run'], tool: string, key: string, faults: string[]): Promise<void> {
  const works = await run(tool, ['--help'], TOOL_TIMEOUT_MS).then(
    (result) => result.exitCode === 0,
    // Not being able to start it is the answer.
    () => false,
  );
  if (!works)
    faults.push(`the AppSpec uses "${key}", which needs the program ${tool}, and that is not installed on this host`);
}

/**
 * Owner, then mode, then ACL: a change of owner clears setuid, and a file must not be setuid before it has its owner.
 * SELinux labels go by path and follow once the file has its name: {@link applyContext}.
 */
export async function applyPermission(
  parts: { disk: Disk; run: ProcessRunner['run'] },
  path: string,
  { permission, uid, gid }: ResolvedPermission,
  currentMode: number,
): Promise<void> {
  if (uid !== -1 || gid !== -1) await parts.disk.setOwner(path, uid, gid);
  const mode = permission.mode ?? currentMode;
  if (permission.mode !== null || ((uid !== -1 || gid !== -1) && (mode & 0o6000) !== 0))
    await parts.disk.setMode(path, mode);
  if (permission.acls.length === 0) return;
  const base = [`user::${letters(mode >> 6)}`, `group::${letters(mode >> 3)}`, `other::${letters(mode)}`];
  await runTool(parts.run, 'setfacl', ['--set', [...base, ...permission.acls].join(','), '--', path]);
}

export async function applyContext(
  run: ProcessRunner['run'],
  path: string,
  { context }: Permission,
  hasRule: boolean,
): Promise<void> {
  if (context === null) return;
  const user = context.user === null ? [] : ['-s', context.user];
  const range = context.range === null ? [] : ['-r', context.range];
  await runTool(run, 'semanage', [
    'fcontext',
    hasRule ? '-m' : '-a',
    '-t',
    context.type,
    ...user,
    ...range,
    escapeRegExp(path),
  ]);
  await runTool(run, 'restorecon', ['-v', path]);
}

/** Failing is fine: what is wanted is that there is no rule. */
export async function removeContext(run: ProcessRunner['run'], path: string): Promise<void> {
  await run('semanage', ['fcontext', '-d', escapeRegExp(path)], TOOL_TIMEOUT_MS).catch(() => null);
}

async function runTool(run: ProcessRunner['run'], tool: string, args: readonly string[]): Promise<void> {
  const doing = `${tool} ${args.join(' ')}`;
  let result: Awaited<ReturnType<typeof run>>;
  try {
    result = await run(tool, args, TOOL_TIMEOUT_MS);
  } catch (cause) {
    throw new AppError('internal', `${doing}: ${errorMessage(cause)}`, { cause });
  }
  if (result.exitCode !== 0)
    throw new AppError('internal', `${doing} ended with ${result.exitCode ?? 'a signal'}: ${result.stderr.trim()}`);
}

function letters(bits: number): string {
  return `${bits & 4 ? 'r' : '-'}${bits & 2 ? 'w' : '-'}${bits & 1 ? 'x' : '-'}`;
}

/** semanage takes a regular expression. */
function escapeRegExp(path: string): string {
  return path.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}

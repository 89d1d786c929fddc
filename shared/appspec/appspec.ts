import type { FileExistsBehavior } from '../model/deployment-group.ts';

/** A bundle's AppSpec after parsing: defaults filled in, every rule of docs/appspec.md checked. */
export interface AppSpec {
  os: 'linux';
  files: readonly FileMapping[];
  /** Null when the file does not say: the deployment's own, then DISALLOW. */
  fileExistsBehavior: FileExistsBehavior | null;
  permissions: readonly Permission[];
  /** By lifecycle event, in order; events without scripts are absent. */
  hooks: ReadonlyMap<string, readonly HookScript[]>;
  /** Extension `strategy: release-directory`; null for an ordinary install. */
  release: ReleaseDirectory | null;
}

export interface ReleaseDirectory {
  /** Absolute; holds `releases`, `shared` and the link `current`. */
  directory: string;
  /** Paths within a release that lead to `shared`; a directory has a slash at its end. */
  shared: readonly string[];
  /** Releases that are kept, 1 or more, the current one among them. */
  keep: number;
}

export interface FileMapping {
  /** From the bundle's root; `/` and `.` are the whole bundle. */
  source: string;
  /** An absolute directory. */
  destination: string;
  line: number;
}

export interface HookScript {
  /** From the bundle's root. */
  location: string;
  timeoutSeconds: number;
  runas: string | null;
  /** Accepted for compatibility; the agent runs as root or not at all. */
  sudo: boolean;
  /** Extension: arguments for the script. */
  args: readonly string[];
  /** Extension: variables for this script alone. */
  env: Readonly<Record<string, string>>;
  /** Extension: what the script and all that it starts may use; null without limits. */
  limits: HookLimits | null;
  line: number;
}

/** Null: no limit of that kind. */
export interface HookLimits {
  memoryMaxBytes: number | null;
  /** Of one core: 200 is two of them. */
  cpuPercent: number | null;
  /** Processes and threads. */
  maxTasks: number | null;
}

export interface Permission {
  object: string;
  /** `**` = any depth; anything else matches names directly below the object, `*` = any run of characters. */
  pattern: string;
  except: readonly string[];
  types: readonly ('file' | 'directory')[];
  owner: string | null;
  group: string | null;
  /** 0o0000-0o7777. */
  mode: number | null;
  /** setfacl entries, checked for form. */
  acls: readonly string[];
  context: SelinuxContext | null;
  line: number;
}

export interface SelinuxContext {
  user: string | null;
  type: string;
  range: string | null;
}

/** One thing that is wrong (error) or will surprise (warning) in an AppSpec. */
export interface AppSpecProblem {
  severity: 'error' | 'warning';
  /** Stable, kebab-case, for machines: `hook-location-missing`. */
  code: string;
  /** Where in the document: `hooks.AfterInstall[0].timeout`. */
  path: string;
  /** From 1. */
  line: number;
  column: number;
  message: string;
  /** What to write instead. */
  hint: string | null;
}

export type AppSpecResult =
  | { ok: true; appSpec: AppSpec; warnings: readonly AppSpecProblem[] }
  | { ok: false; problems: readonly AppSpecProblem[] };

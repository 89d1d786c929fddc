import { LIFECYCLE_EVENTS, lifecycleEventName, RESERVED_EVENTS } from '../model/lifecycle-event.ts';
import type { HookScript } from './appspec.ts';
import { nearestName } from './nearest.ts';
import { pathInBundle } from './parse-files.ts';
import { parseLimits } from './parse-limits.ts';
import type { Field, Value, YamlReader } from './yaml-reader.ts';

const HOOK_KEYS = ['location', 'timeout', 'runas', 'sudo', 'args', 'env', 'limits'] as const;
const DEFAULT_TIMEOUT_SECONDS = 3_600;
/** What CodeDeploy's service allows for one event, and for one script. */
const SERVICE_TIMEOUT_SECONDS = 3_600;
/** A week. CodeDeploy's agent has no bound; a timer needs one. */
const MAX_TIMEOUT_SECONDS = 604_800;

const reserved: readonly string[] = RESERVED_EVENTS;
const scriptable: readonly string[] = LIFECYCLE_EVENTS.filter((event) => !reserved.includes(event));

export function parseHooks(
  reader: YamlReader,
  hooks: Value | null,
  options: { customEvents: readonly string[] | 'any'; root: Value },
): ReadonlyMap<string, readonly HookScript[]> {
  const scripts = new Map<string, readonly HookScript[]>();
  const named = new Set<string>();
  for (const event of hooks === null ? [] : (reader.fields(hooks) ?? [])) {
    named.add(event.key);
    const isKnown = checkEventName(reader, event, options.customEvents);
    if (event.value.kind === 'null') continue;
    const ofEvent = parseScripts(reader, event.value);
    if (isKnown && ofEvent.length > 0) scripts.set(event.key, ofEvent);
  }
  const promised = options.customEvents === 'any' ? [] : options.customEvents;
  for (const event of promised)
    if (!named.has(event))
      reader.error(hooks ?? options.root, {
        code: 'hook-custom-event-missing',
        message: `the deployment has the lifecycle event ${event}, but hooks has no scripts for it`,
        hint: `add it to hooks, or "${event}:" without scripts`,
      });
  return scripts;
}

function checkEventName(reader: YamlReader, event: Field, customEvents: readonly string[] | 'any'): boolean {
  const at = { path: event.value.path, offset: event.keyOffset };
  if (reserved.includes(event.key)) {
    const near = {
      BlockTraffic: 'BeforeBlockTraffic or AfterBlockTraffic',
      Install: 'BeforeInstall or AfterInstall',
      AllowTraffic: 'BeforeAllowTraffic or AfterAllowTraffic',
    }[event.key];
    reader.error(at, {
      code: 'hook-event-reserved',
      message: `${event.key} is done by Drover itself; scripts cannot be attached to it`,
      hint: near === undefined ? `scripts go to ${scriptable.join(', ')}` : `use ${near}`,
    });
    return false;
  }
  if (scriptable.includes(event.key)) return true;
  const isWellFormed = lifecycleEventName.safeParse(event.key).success;
  const custom = customEvents === 'any' ? (isWellFormed ? [event.key] : []) : customEvents;
  if (custom.includes(event.key)) return true;
  const near = nearestName(event.key, [...scriptable, ...custom]);
  reader.error(at, {
    code: 'hook-event-unknown',
    message: `${event.key} is not a lifecycle event; its scripts would never run`,
    hint: near === null ? `the events are ${scriptable.join(', ')}` : `did you mean ${near}?`,
  });
  return false;
}

function parseScripts(reader: YamlReader, event: Value): HookScript[] {
  const scripts: HookScript[] = [];
  for (const item of reader.items(event, 'each script is an item: "- location: scripts/start.sh"') ?? []) {
    const script = parseScript(reader, item);
    if (script !== null) scripts.push(script);
  }
  const totalSeconds = scripts.reduce((sum, script) => sum + script.timeoutSeconds, 0);
  if (scripts.length > 1 && totalSeconds > SERVICE_TIMEOUT_SECONDS)
    reader.warning(event, {
      code: 'hook-timeouts-sum',
      message: `the timeouts of ${event.path} add up to ${totalSeconds} s; AWS CodeDeploy allows ${SERVICE_TIMEOUT_SECONDS} s for an event`,
      hint: 'a script without a timeout has 3600 s',
    });
  return scripts;
}

function parseScript(reader: YamlReader, item: Value): HookScript | null {
  const fields = reader.record(item, HOOK_KEYS);
  if (fields === null) return null;
  const location = parseLocation(reader, item, fields.get('location')?.value);
  const timeoutSeconds = parseTimeout(reader, fields.get('timeout')?.value);
  const runas = optional(fields, 'runas');
  const args = optional(fields, 'args');
  const env = optional(fields, 'env');
  const script = {
    runas: runas === null ? null : (reader.word(runas)?.trim() ?? null),
    sudo: parseSudo(reader, optional(fields, 'sudo')),
    args: args === null ? [] : parseArgs(reader, args),
    env: env === null ? {} : parseEnv(reader, env),
    limits: parseLimits(reader, optional(fields, 'limits')),
    line: item.line,
  };
  return location === null || timeoutSeconds === null ? null : { location, timeoutSeconds, ...script };
}

export function optional(fields: ReadonlyMap<string, Field>, key: string): Value | null {
  const value = fields.get(key)?.value;
  return value === undefined || value.kind === 'null' ? null : value;
}

function parseLocation(reader: YamlReader, item: Value, value: Value | undefined): string | null {
  if (value === undefined || value.kind === 'null') {
    reader.error(item, {
      code: 'hook-location-missing',
      message: `${item.path} has no location`,
      hint: 'add "location:", the script\'s path from the bundle\'s root',
    });
    return null;
  }
  const written = reader.text(value)?.trim() ?? null;
  const location = written === null ? null : pathInBundle(reader, value, written);
  if (location !== '.') return location;
  reader.error(value, {
    code: 'hook-location-missing',
    message: `${value.path} is the bundle itself, not a script in it`,
  });
  return null;
}

/**
 * Whole seconds: `'30s'` is 30 and `5.9` is 5, as with the CodeDeploy agent (Ruby's to_i). So are `1_000`, and without quotes
 * `1,000` and `1:30`, which are numbers in YAML 1.1.
 */
function parseTimeout(reader: YamlReader, value: Value | undefined): number | null {
  if (value === undefined || value.kind === 'null') return DEFAULT_TIMEOUT_SECONDS;
  const complain = (message: string) => {
    reader.error(value, {
      code: 'hook-timeout-invalid',
      message: `${value.path} ${message}`,
      hint: 'a number of seconds, for example "timeout: 300"',
    });
    return null;
  };
  const seconds =
    value.kind === 'number'
      ? Math.trunc(Number(value.scalar))
      : value.kind === 'text'
        ? secondsIn(String(value.scalar).trim(), value.isPlain)
        : Number.NaN;
  if (Number.isNaN(seconds)) return complain('must be a number of seconds');
  if (seconds <= 0) return complain(`must be 1 second or more, but is ${value.written}`);
  if (seconds > MAX_TIMEOUT_SECONDS) return complain(`must be ${MAX_TIMEOUT_SECONDS} seconds (a week) or less`);
  if (seconds > SERVICE_TIMEOUT_SECONDS)
    reader.warning(value, {
      code: 'hook-timeout-long',
      message: `AWS CodeDeploy ends an event after ${SERVICE_TIMEOUT_SECONDS} s; Drover waits the ${seconds} s`,
    });
  return seconds;
}

function secondsIn(written: string, isPlain: boolean): number {
  if (isPlain && /^\d{1,6}(:[0-5]?\d){1,2}$/.test(written))
    return written.split(':').reduce((seconds, part) => seconds * 60 + Number(part), 0);
  const digits = isPlain && /^[1-9][\d,_]*$/.test(written) ? written.replaceAll(',', '') : written;
  return Number.parseInt(digits.replace(/(?<=\d)_(?=\d)/g, ''), 10);
}

/** YAML 1.1, which the CodeDeploy agent reads, has more words for true and false than YAML 1.2. */
function parseSudo(reader: YamlReader, value: Value | null): boolean {
  if (value === null) return false;
  if (value.kind === 'boolean') return value.scalar === true;
  const word = value.written.toLowerCase();
  if (value.isPlain && ['yes', 'on', 'y'].includes(word)) return true;
  if (value.isPlain && ['no', 'off', 'n'].includes(word)) return false;
  reader.error(value, { code: 'wrong-type', message: `${value.path} must be true or false` });
  return false;
}

function parseArgs(reader: YamlReader, value: Value): string[] {
  const args: string[] = [];
  for (const item of reader.items(value) ?? []) {
    const argument = scalarText(reader, item);
    if (argument !== null) args.push(argument);
  }
  warnAboutExtension(reader, value, 'args');
  return args;
}

function parseEnv(reader: YamlReader, value: Value): Record<string, string> {
  const env = new Map<string, string>();
  for (const field of reader.fields(value) ?? []) {
    const content = scalarText(reader, field.value);
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(field.key))
      reader.error(
        { path: field.value.path, offset: field.keyOffset },
        {
          code: 'hook-env-name',
          message: `${field.key} cannot be the name of an environment variable`,
          hint: 'letters, digits and _ only, not beginning with a digit',
        },
      );
    else if (content !== null) env.set(field.key, content);
  }
  warnAboutExtension(reader, value, 'env');
  return Object.fromEntries(env);
}

/** Scalars as they were written: `- 0644` is the argument 0644. */
function scalarText(reader: YamlReader, value: Value): string | null {
  const isScalar = value.kind === 'text' || value.kind === 'number' || value.kind === 'boolean';
  if (!isScalar)
    reader.error(value, { code: 'wrong-type', message: `${value.path} must be text`, hint: 'an empty text is ""' });
  else if (value.written.includes('\0'))
    reader.error(value, { code: 'nul-character', message: `${value.path} contains a NUL character` });
  else return value.written;
  return null;
}

export function warnAboutExtension(reader: YamlReader, value: Value, key: string): void {
  reader.warning(value, { code: 'drover-extension', message: `${key} is Drover's own; it is ignored by AWS's agent` });
}

import type { HookLimits } from './appspec.ts';
import type { Value, YamlReader } from './yaml-reader.ts';

const LIMIT_KEYS = ['memoryMaxBytes', 'cpuPercent', 'maxTasks'] as const;
const UNITS: Readonly<Record<string, number>> = { '': 1, K: 1_024, M: 1_024 ** 2, G: 1_024 ** 3 };

/** Each with the least that a shell can start with, and the most that makes sense. */
const RANGES: Readonly<Record<keyof HookLimits, { min: number; max: number; example: string }>> = {
  memoryMaxBytes: { min: 1_024 ** 2, max: 2 ** 50, example: '512M' },
  cpuPercent: { min: 1, max: 100_000, example: '50, half of a core' },
  maxTasks: { min: 1, max: 4_194_304, example: '100' },
};

/** `limits` of a script: whole numbers; bytes may have the units K, M and G (1024). */
export function parseLimits(reader: YamlReader, value: Value | null): HookLimits | null {
  if (value === null) return null;
  const fields = reader.record(value, LIMIT_KEYS);
  if (fields === null) return null;
  reader.warning(value, { code: 'drover-extension', message: "limits is Drover's own; it is ignored by AWS's agent" });
  const limit = (key: keyof HookLimits): number | null => {
    const field = fields.get(key)?.value;
    return field === undefined || field.kind === 'null' ? null : parseLimit(reader, field, key);
  };
  const limits = {
    memoryMaxBytes: limit('memoryMaxBytes'),
    cpuPercent: limit('cpuPercent'),
    maxTasks: limit('maxTasks'),
  };
  return Object.values(limits).every((each) => each === null) ? null : limits;
}

function parseLimit(reader: YamlReader, value: Value, key: keyof HookLimits): number | null {
  const { min, max, example } = RANGES[key];
  const [, digits, unit] = /^(\d{1,16})([KMG]?)$/.exec(value.written.trim()) ?? [];
  const factor = key === 'memoryMaxBytes' ? UNITS[unit ?? ''] : unit === '' ? 1 : undefined;
  const amount = digits === undefined || factor === undefined ? Number.NaN : Number(digits) * factor;
  if (amount >= min && amount <= max) return amount;
  reader.error(value, {
    code: 'hook-limit-invalid',
    message: `${value.path} must be a whole number from ${min} to ${max}`,
    hint: `for example ${example}`,
  });
  return null;
}

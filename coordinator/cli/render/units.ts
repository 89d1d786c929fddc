/** Numbers, times and sizes as people read them. All pure: local time needs the offset of its zone. */

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** `850 ms`, `52 s`, `1 min 54 s`, `2 h 05 min`, `3 d 4 h`. */
export function duration(ms: number): string {
  if (ms < SECOND) return `${Math.max(0, Math.round(ms))} ms`;
  if (ms < MINUTE) return `${Math.floor(ms / SECOND)} s`;
  if (ms < HOUR) return pair(ms, MINUTE, 'min', SECOND, 's', true);
  if (ms < DAY) return pair(ms, HOUR, 'h', MINUTE, 'min', true);
  return pair(ms, DAY, 'd', HOUR, 'h', false);
}

/** A span that is still growing: whole seconds, so that it does not flicker. */
export function elapsed(ms: number): string {
  return ms < SECOND ? '0 s' : duration(ms);
}

function pair(ms: number, big: number, bigUnit: string, small: number, smallUnit: string, isPadded: boolean): string {
  const rest = Math.floor((ms % big) / small);
  const whole = `${Math.floor(ms / big)} ${bigUnit}`;
  return rest === 0 ? whole : `${whole} ${isPadded ? String(rest).padStart(2, '0') : rest} ${smallUnit}`;
}

/** `4,900`. */
export function count(value: number): string {
  return String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, ',');
}

/** `1 host`, `5 hosts`. */
export function plural(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`;
}

/** `1st`, `2nd`, `3rd`, `11th`. */
export function ordinal(value: number): string {
  const teens = value % 100 >= 11 && value % 100 <= 13;
  const ending = teens ? 'th' : (({ 1: 'st', 2: 'nd', 3: 'rd' } as Record<number, string>)[value % 10] ?? 'th');
  return `${count(value)}${ending}`;
}

/** `812 B`, `3.4 kB`, `182 MB`. */
export function bytes(value: number): string {
  if (value < 1_000) return `${value} B`;
  const units = ['kB', 'MB', 'GB', 'TB'];
  let scaled = value;
  let unit = 'B';
  for (const next of units) {
    if (scaled < 1_000) break;
    scaled /= 1_000;
    unit = next;
  }
  return `${scaled < 10 ? scaled.toFixed(1) : Math.round(scaled)} ${unit}`;
}

/** Minutes that local time is ahead of UTC at an instant. */
export type UtcOffset = (at: number) => number;

/** `14:02:11`, local. */
export function timeOfDay(at: number, utcOffset: UtcOffset): string {
  return shifted(at, utcOffset).slice(11, 19);
}

/** `2026-03-04 14:02:11 +01:00`, local with its offset. */
export function dateTime(at: number, utcOffset: UtcOffset): string {
  const minutes = utcOffset(at);
  const absolute = Math.abs(minutes);
  const two = (value: number) => String(value).padStart(2, '0');
  const offset = `${minutes < 0 ? '-' : '+'}${two(Math.floor(absolute / 60))}:${two(absolute % 60)}`;
  return `${shifted(at, utcOffset).slice(0, 19).replace('T', ' ')} ${offset}`;
}

/** `14:02:11Z`, for logs that machines keep. */
export function utcTimeOfDay(at: number): string {
  return `${new Date(at).toISOString().slice(11, 19)}Z`;
}

/** `3 min ago`, in its largest unit. */
export function ago(at: number, now: number): string {
  const ms = now - at;
  if (ms < 10 * SECOND) return 'just now';
  if (ms < MINUTE) return `${Math.floor(ms / SECOND)} s ago`;
  if (ms < HOUR) return `${Math.floor(ms / MINUTE)} min ago`;
  if (ms < DAY) return `${Math.floor(ms / HOUR)} h ago`;
  return `${Math.floor(ms / DAY)} d ago`;
}

/** `about 2-3 min`, `about 40 s`: a guess, and it looks like one. */
export function guess(ms: number): string {
  if (ms < 20 * SECOND) return 'a few seconds';
  if (ms < MINUTE) return `about ${Math.round(ms / SECOND / 10) * 10} s`;
  const unit = ms < 2 * HOUR ? MINUTE : HOUR;
  const low = Math.max(1, Math.floor((ms * 0.85) / unit));
  const high = Math.max(low, Math.ceil((ms * 1.15) / unit));
  const name = unit === MINUTE ? 'min' : 'h';
  return low === high ? `about ${low} ${name}` : `about ${low}-${high} ${name}`;
}

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: SECOND, m: MINUTE, min: MINUTE, h: HOUR, d: DAY };

/** `90s`, `30m`, `2h`, `1h30m`, `7d`: ms, or undefined when it is none of these. */
export function parseDuration(text: string): number | undefined {
  const parts = [...text.trim().matchAll(/(\d+(?:\.\d+)?)\s*(ms|min|[smhd])\s*/g)];
  if (parts.length === 0 || parts.map((part) => part[0]).join('') !== text.trim()) return undefined;
  return parts.reduce((sum, [, value, unit]) => sum + Number(value) * (UNITS[unit ?? ''] ?? 0), 0);
}

function shifted(at: number, utcOffset: UtcOffset): string {
  return new Date(at + utcOffset(at) * MINUTE).toISOString();
}

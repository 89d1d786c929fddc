export type RangeResult = { ok: true; canonical: string } | { ok: false; message: string };

const MAX_CATEGORY = 1_023;

/**
 * An MLS/MCS range, `sN[-sM][:cA[.cB][,…]]`, in its shortest form. Source: the CodeDeploy agent's RangeInfo: sensitivities
 * in order, categories 0-1023, none twice.
 */
export function parseSelinuxRange(written: string): RangeResult {
  const [levels = '', categories, ...more] = written.trim().split(':');
  if (more.length > 0) return fail(written, 'has more than one colon');
  const sensitivities = levels.split('-').map((part) => numberAfter('s', part));
  const [low, high = low] = sensitivities;
  if (sensitivities.length > 2 || low === null || high === null || low === undefined || high === undefined)
    return fail(written, 'must begin with a sensitivity such as s0 or s0-s3');
  if (low > high)
    return fail(written, `has its sensitivities in the wrong order: s${low} is below s${high} only when it is smaller`);
  const prefix = low === high ? `s${low}` : `s${low}-s${high}`;
  if (categories === undefined) return { ok: true, canonical: prefix };

  const chosen = new Set<number>();
  for (const part of categories.split(',')) {
    const ends = part.split('.').map((end) => numberAfter('c', end));
    const [from, to = from] = ends;
    if (ends.length > 2 || from === null || to === null || from === undefined || to === undefined)
      return fail(written, `has "${part}" where a category such as c0 or c0.c3 is expected`);
    if (to > MAX_CATEGORY) return fail(written, `has a category above c${MAX_CATEGORY}`);
    if (from > to) return fail(written, `has a range of categories that runs backwards: ${part}`);
    for (let category = from; category <= to; category++) {
      if (chosen.has(category)) return fail(written, `names category c${category} twice`);
      chosen.add(category);
    }
  }
  return { ok: true, canonical: `${prefix}:${compact([...chosen].sort((a, b) => a - b))}` };
}

function fail(written: string, what: string): RangeResult {
  return { ok: false, message: `the SELinux range "${written}" ${what}` };
}

function numberAfter(letter: string, text: string): number | null {
  const match = new RegExp(`^${letter}(\\d{1,4})$`).exec(text.trim());
  return match === null ? null : Number(match[1]);
}

function compact(categories: readonly number[]): string {
  const parts: string[] = [];
  for (let start = 0; start < categories.length; ) {
    let end = start;
    while (categories[end + 1] === (categories[end] ?? 0) + 1) end++;
    parts.push(start === end ? `c${categories[start]}` : `c${categories[start]}.c${categories[end]}`);
    start = end + 1;
  }
  return parts.join(',');
}

import type { Aim, Line } from './figure.ts';

/** One line of text: what, n, median, best, p99, ratio, and the aims with how far off each is. */
export function renderLine(figure: string, line: Line): string {
  const columns = [
    figure.padEnd(8),
    line.what.padEnd(58),
    `n=${line.n}`.padEnd(8),
    `median ${amount(line.median, line.unit)}`.padEnd(19),
    (line.best === null || line.n === 1 ? '' : `best ${amount(line.best, line.unit)}`).padEnd(16),
    (line.p99 === null ? '' : `p99 ${amount(line.p99, line.unit)}`).padEnd(16),
    (line.ratio === null ? '' : `${digits(line.ratio)}x ${line.against}`).padEnd(30),
    line.aims.map((aim) => renderAim(aim, line)).join(', '),
  ];
  const note = line.note === null ? '' : `\n${' '.repeat(9)}(${line.note})`;
  return `${columns.join(' ').trimEnd()}${note}\n`;
}

/** Met means that the value is at most the aim; missed by how much is told as a part of the aim. */
export function isMet(aim: Aim, line: Line): boolean {
  const value = measuredOf(aim, line);
  return value !== null && value <= aim.atMost;
}

function renderAim(aim: Aim, line: Line): string {
  const value = measuredOf(aim, line);
  const wanted = aim.of === 'ratio' ? `${digits(aim.atMost)}x` : `${aim.of} ${amount(aim.atMost, line.unit)}`;
  if (value === null || Number.isNaN(value)) return `aim ${wanted}: not measured`;
  if (isMet(aim, line)) return `aim ${wanted}: met`;
  // What should be nothing and is not is missed by all of it.
  return `aim ${wanted}: MISSED by ${aim.atMost === 0 ? amount(value, line.unit) : `${Math.round((value / aim.atMost - 1) * 100)} %`}`;
}

function measuredOf(aim: Aim, line: Line): number | null {
  return aim.of === 'ratio' ? line.ratio : aim.of === 'p99' ? line.p99 : line.median;
}

function amount(value: number, unit: Line['unit']): string {
  return `${digits(value)} ${unit}`;
}

/** Three digits that count. */
function digits(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString('en');
  return String(Number(value.toPrecision(3)));
}

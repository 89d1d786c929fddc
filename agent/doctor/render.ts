import type { Check } from './judge.ts';

export function renderChecks(checks: readonly Check[]): string {
  return checks
    .flatMap(({ result, name, text, remedy }) => [
      `${result.padEnd(7)} ${name.padEnd(8)} ${text}`,
      ...(remedy === null ? [] : [`                 ${remedy}`]),
    ])
    .map((line) => `${line}\n`)
    .join('');
}

import type { AppSpecProblem } from './appspec.ts';

/** The widest quoted line, characters: a minified file must not flood a terminal. */
const MAX_QUOTED_LENGTH = 160;

/** `file:line:column: error: message (code)`, the line itself with a caret below the place, and the hint. */
export function formatProblem(problem: AppSpecProblem, text: string, fileName: string): string {
  const place = `${fileName}:${problem.line}:${problem.column}`;
  const parts = [`${place}: ${problem.severity}: ${problem.message} (${problem.code})`];
  const line = text.split(/\r\n|\n|\r/)[problem.line - 1];
  if (line !== undefined && line.trim() !== '') {
    const start = problem.column > MAX_QUOTED_LENGTH ? problem.column - 1 - MAX_QUOTED_LENGTH / 2 : 0;
    const quoted = line.slice(start, start + MAX_QUOTED_LENGTH);
    // Tabs stay tabs in the padding, so that the caret stands below its place whatever their width.
    const padding = quoted.slice(0, problem.column - 1 - start).replace(/[^\t]/g, ' ');
    const number = String(problem.line);
    parts.push(`  ${number} | ${printable(quoted)}`, `  ${' '.repeat(number.length)} | ${padding}^`);
  }
  if (problem.hint !== null) parts.push(`  hint: ${problem.hint}`);
  return parts.join('\n');
}

/** What a bundle's author wrote must not steer a terminal. */
function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, '?');
}

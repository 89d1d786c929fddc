import type { Style } from './style.ts';

/** What changes between two texts, line by line, each changed place with a line around it; empty when nothing does. */
export function diffLines(before: string, after: string, style: Style): string[] {
  const marked = compare(before.trimEnd().split('\n'), after.trimEnd().split('\n'));
  const isNear = (index: number) => [-1, 0, 1].some((step) => (marked[index + step]?.mark ?? ' ') !== ' ');
  const shown = marked.filter((_, index) => isNear(index));
  return shown.map(({ mark, text }) => {
    const line = `${mark} ${text}`;
    if (mark === '+') return style.good(line);
    return mark === '-' ? style.bad(line) : line;
  });
}

interface Marked {
  mark: ' ' | '+' | '-';
  text: string;
}

/** By the longest common subsequence; the texts are settings of a page or two. */
function compare(a: readonly string[], b: readonly string[]): Marked[] {
  const lengths = Array.from({ length: a.length + 1 }, () => new Array<number>(b.length + 1).fill(0));
  const at = (i: number, j: number) => lengths[i]?.[j] ?? 0;
  for (let i = a.length - 1; i >= 0; i--)
    for (let j = b.length - 1; j >= 0; j--) {
      // Row i was made above.
      lengths[i]![j] = a[i] === b[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
    }
  const result: Marked[] = [];
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      result.push({ mark: ' ', text: a[i] ?? '' });
      i++;
      j++;
    } else if (i < a.length && (j >= b.length || at(i + 1, j) >= at(i, j + 1))) {
      result.push({ mark: '-', text: a[i] ?? '' });
      i++;
    } else {
      result.push({ mark: '+', text: b[j] ?? '' });
      j++;
    }
  }
  return result;
}

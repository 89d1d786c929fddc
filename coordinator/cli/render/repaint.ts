/**
 * The bytes that turn one block of lines at the bottom of a terminal into the next one: only lines that changed are
 * written, between marks that hold the terminal's drawing back (synchronized output, DEC private mode 2026).
 * The cursor rests at the start of the line below the block, before and after.
 */
export function repaint(before: readonly string[], after: readonly string[], scrolled: readonly string[] = []): string {
  const isSame =
    scrolled.length === 0 && before.length === after.length && before.every((text, i) => text === after[i]);
  if (isSame) return '';
  const up = before.length === 0 ? '' : `${CSI}${before.length}A`;
  if (scrolled.length > 0) {
    const lines = [...scrolled, ...after].map((text) => `${CSI}2K${text}\n`);
    return `${HOLD}${up}\r${CSI}0J${lines.join('')}${SHOW}`;
  }
  const changed = after.map((text, index) => (text === before[index] ? '\n' : `${CSI}2K${text}\n`));
  return `${HOLD}${up}\r${changed.join('')}${before.length > after.length ? `${CSI}0J` : ''}${SHOW}`;
}

const CSI = '\u001b[';
const HOLD = `${CSI}?2026h`;
const SHOW = `${CSI}?2026l`;
export const HIDE_CURSOR = `${CSI}?25l`;
export const SHOW_CURSOR = `${CSI}?25h`;

import { expect } from 'chai';
import { repaint } from '../../../../../coordinator/cli/render/repaint.ts';

/** A terminal of our own: what stands on it after the bytes were written. */
function screenAfter(...written: string[]): string[] {
  const lines: string[] = [''];
  let row = 0;
  let column = 0;
  const text = written
    .join('')
    .replaceAll('\u001b[?2026h', '')
    .replaceAll('\u001b[?2026l', '')
    .replaceAll('\u001b', '§');
  for (const [piece] of text.matchAll(/§\[(\d*)([A-Z])|\n|\r|[^§\n\r]+/g)) {
    const code = /^§\[(\d*)([A-Z])$/.exec(piece);
    if (code?.[2] === 'A') row -= Number(code[1]);
    else if (code?.[2] === 'K') lines[row] = '';
    else if (code?.[2] === 'J') {
      lines.length = row + 1;
      lines[row] = '';
    } else if (piece === '\n') {
      row++;
      column = 0;
      lines[row] ??= '';
    } else if (piece === '\r') column = 0;
    else {
      lines[row] = `${(lines[row] ?? '').slice(0, column)}${piece}`;
      column += piece.length;
    }
  }
  return lines.slice(0, -1);
}

describe('repaint', () => {
  const first = ['head', 'api-1  InProgress', 'bar'];

  it('writes nothing when nothing changed', () => {
    expect(repaint(first, [...first])).to.equal('');
  });

  it('writes only the lines that changed, inside of a synchronised update', () => {
    const bytes = repaint(first, ['head', 'api-1  Succeeded', 'bar']);
    expect(bytes).to.equal('\u001b[?2026h\u001b[3A\r\n\u001b[2Kapi-1  Succeeded\n\n\u001b[?2026l');
  });

  it('leaves on the screen what the block says, as it grows, shrinks, and lines scroll up above it', () => {
    const longer = ['head', 'a', 'b', 'c', 'bar'];
    const shorter = ['head', 'bar'];
    expect(screenAfter(repaint([], first))).to.deep.equal(first);
    expect(screenAfter(repaint([], first), repaint(first, longer))).to.deep.equal(longer);
    expect(screenAfter(repaint([], longer), repaint(longer, shorter))).to.deep.equal(shorter);
    expect(screenAfter(repaint([], first), repaint(first, shorter, ['done 1', 'done 2']))).to.deep.equal([
      'done 1',
      'done 2',
      ...shorter,
    ]);
  });
});

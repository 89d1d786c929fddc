import pc from 'picocolors';
import type { UtcOffset } from './units.ts';

export type Paint = (text: string) => string;

/** How things look on this terminal. Colour only repeats what words and marks say already. */
export interface Style {
  isUnicode: boolean;
  bold: Paint;
  dim: Paint;
  good: Paint;
  bad: Paint;
  warn: Paint;
  accent: Paint;
  glyphs: Glyphs;
  utcOffset: UtcOffset;
}

interface Glyphs {
  barDone: string;
  barRunning: string;
  barFailed: string;
  barEmpty: string;
  rule: string;
  ellipsis: string;
  arrow: string;
  quote: string;
}

const UNICODE: Glyphs = {
  barDone: '█',
  barRunning: '▒',
  barFailed: 'X',
  barEmpty: '·',
  rule: '─',
  ellipsis: '…',
  arrow: '→',
  quote: '│',
};
const ASCII: Glyphs = {
  barDone: '#',
  barRunning: '>',
  barFailed: 'X',
  barEmpty: '.',
  rule: '-',
  ellipsis: '~',
  arrow: '->',
  quote: '|',
};

export function makeStyle(options: { hasColour: boolean; isUnicode: boolean; utcOffset: UtcOffset }): Style {
  const colours = pc.createColors(options.hasColour);
  return {
    isUnicode: options.isUnicode,
    bold: colours.bold,
    dim: colours.dim,
    good: colours.green,
    bad: colours.red,
    warn: colours.yellow,
    accent: colours.cyan,
    glyphs: options.isUnicode ? UNICODE : ASCII,
    utcOffset: options.utcOffset,
  };
}

/** The colour of a deployment's, target's or event's status. */
export function paintOfStatus(style: Style, status: string): Paint {
  switch (status) {
    case 'Succeeded':
    case 'Online':
    case 'Healthy':
    case 'Current':
      return style.good;
    case 'Failed':
    case 'Offline':
    case 'Unhealthy':
      return style.bad;
    case 'Stopped':
    case 'Skipped':
    case 'Reconnecting':
    case 'Old':
      return style.warn;
    case 'InProgress':
    case 'Created':
    case 'Queued':
      return style.accent;
    default:
      return style.dim;
  }
}

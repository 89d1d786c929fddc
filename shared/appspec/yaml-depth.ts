import { CST, Lexer } from 'yaml';

/** Far more than an AppSpec has, far less than ends a stack. */
const MAX_DEPTH = 64;
/** For 10,000 file mappings; what the parser does with a long row of anchors grows with its square. */
const MAX_TOKENS = 200_000;
/** Every block level is indented by a column or more. */
const MAX_INDENT = 200;

/**
 * Whether a text is nested too deeply, or is too much, to be handed to the parser. The parser recurses, and a stack that ends inside of it
 * is not always an error that can be caught: the regular expression engine then takes the whole process down. The lexer
 * does not recurse.
 */
export function isTooMuch(text: string): boolean {
  let flowDepth = 0;
  let indicatorsOnLine = 0;
  let isLineStart = true;
  let tokens = 0;
  for (const token of new Lexer().lex(text)) {
    if (++tokens > MAX_TOKENS) return true;
    switch (CST.tokenType(token)) {
      case 'flow-seq-start':
      case 'flow-map-start':
        flowDepth++;
        break;
      case 'flow-seq-end':
      case 'flow-map-end':
        flowDepth = Math.max(0, flowDepth - 1);
        break;
      case 'seq-item-ind':
      case 'explicit-key-ind':
      case 'map-value-ind':
      case 'anchor':
      case 'tag':
        indicatorsOnLine++;
        break;
      case 'space':
        if (isLineStart && token.length > MAX_INDENT) return true;
        break;
      case 'newline':
        indicatorsOnLine = 0;
        isLineStart = true;
        continue;
      default:
    }
    isLineStart = false;
    // In a flow collection a line may hold any number of keys side by side.
    if (flowDepth > MAX_DEPTH || (flowDepth === 0 && indicatorsOnLine > MAX_DEPTH)) return true;
  }
  return false;
}

import {
  type Alias,
  type Document,
  isAlias,
  isCollection,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type ParsedNode,
  parseDocument,
  visit,
  type YAMLError,
} from 'yaml';
import { MAX_APPSPEC_BYTES } from '../bundle/limits.ts';
import type { AppSpecProblem } from './appspec.ts';
import { nearestName } from './nearest.ts';
import { isTooMuch } from './yaml-depth.ts';

/** Values read before giving up: aliases can make a small text mean a huge document. */
const MAX_VALUES = 100_000;
/**
 * Errors, and as many warnings: more than anyone reads. What follows from one mistake can be as long as the file. Warnings never
 * take an error's place, for a file with an error must not count as a good one.
 */
const MAX_PROBLEMS = 200;

/** A value of the document and where it stands. */
export interface Value {
  kind: 'mapping' | 'list' | 'text' | 'number' | 'boolean' | 'null' | 'other';
  /** For machines and people: `hooks.AfterInstall[0].timeout`. */
  path: string;
  /** Characters from the beginning of the text. */
  offset: number;
  line: number;
  /** The parsed scalar: a string, number, boolean or null. */
  scalar: unknown;
  /** The scalar as its author wrote it, without quotes: `0644` where the number is 644. Empty for collections. */
  written: string;
  /** Whether a scalar stood there without quotes. */
  isPlain: boolean;
  node: unknown;
}

export interface Field {
  key: string;
  keyOffset: number;
  value: Value;
}

interface Complaint {
  code: string;
  message: string;
  hint?: string;
}

/** Reads a YAML document value by value and collects what is wrong with it. */
export interface YamlReader {
  readonly root: Value | null;
  readonly problems: readonly AppSpecProblem[];
  readonly hasErrors: boolean;
  error(at: { path: string; offset: number }, complaint: Complaint): void;
  warning(at: { path: string; offset: number }, complaint: Complaint): void;
  /** The fields of a mapping; complains and returns null when it is none. Merge keys (`<<`) are resolved. */
  fields(value: Value): readonly Field[] | null;
  /** The same by name, with a warning for every key not in `known`. */
  record(value: Value, known: readonly string[]): ReadonlyMap<string, Field> | null;
  items(value: Value, hint?: string): readonly Value[] | null;
  /** Text of at least one character without NUL; complains and returns null otherwise. */
  text(value: Value, hint?: string): string | null;
  /** Like `text`, and numbers as they were written. */
  word(value: Value): string | null;
}

export function readYaml(text: string): YamlReader {
  const lines = new LineCounter();
  const problems: AppSpecProblem[] = [];
  const seen = new Set<string>();
  let valuesLeft = MAX_VALUES;

  const add = (severity: 'error' | 'warning', at: { path: string; offset: number }, complaint: Complaint) => {
    if (problems.filter((problem) => problem.severity === severity).length >= MAX_PROBLEMS) return;
    const position = lines.linePos(Math.max(0, Math.min(at.offset, text.length)));
    const line = Math.max(1, position.line);
    const column = Math.max(1, position.col);
    // An anchor that is used twice would tell everything twice.
    const identity = `${complaint.code} ${line} ${column} ${complaint.message}`;
    if (seen.has(identity)) return;
    seen.add(identity);
    const { code, message, hint = null } = complaint;
    problems.push({ severity, code, path: at.path, line, column, message, hint });
  };

  const document = parseSafely(text, lines);
  if (typeof document === 'string')
    add('error', { path: '', offset: 0 }, { code: 'yaml-syntax', message: `the file cannot be read: ${document}` });
  else for (const error of document.errors) add('error', { path: '', offset: error.pos[0] }, complaintOf(error, text));
  const targets = typeof document === 'string' ? new Map<Alias, Node>() : targetsOfAliases(document);

  function readValue(raw: unknown, path: string, fallbackOffset: number): Value {
    let node = raw;
    let offset = offsetOf(raw) ?? fallbackOffset;
    if (isAlias(node)) {
      const target = targets.get(node);
      if (target === undefined)
        add(
          'error',
          { path, offset },
          {
            code: 'yaml-alias',
            message: `*${node.source} refers to an anchor that is not in the file`,
            hint: QUOTE_STARS,
          },
        );
      else offset = offsetOf(node) ?? offset;
      node = target;
    }
    const base = {
      path,
      offset,
      line: Math.max(1, lines.linePos(offset).line),
      node,
      scalar: null,
      written: '',
      isPlain: false,
    };
    if (--valuesLeft < 0) {
      if (valuesLeft === -1)
        add('error', { path, offset }, { code: 'too-many-values', message: `more than ${MAX_VALUES} values` });
      return { ...base, kind: 'null' };
    }
    if (isMap(node)) return { ...base, kind: 'mapping' };
    if (isSeq(node)) return { ...base, kind: 'list' };
    if (!isScalar(node)) return { ...base, kind: node === null || node === undefined ? 'null' : 'other' };
    const scalar = node.value;
    const isPlain = node.type === 'PLAIN';
    const written = isPlain && node.source !== undefined ? node.source : String(scalar);
    return { ...base, kind: scalarKind(scalar), scalar, written, isPlain };
  }

  const expected = (value: Value, what: string, hint?: string) =>
    add('error', value, {
      code: 'wrong-type',
      message: `${value.path || 'the file'} must be ${what}, but is ${KIND_NAMES[value.kind]}`,
      ...(hint === undefined ? {} : { hint }),
    });

  const reader: YamlReader = {
    root: typeof document === 'string' || document.contents === null ? null : readValue(document.contents, '', 0),
    problems,
    get hasErrors() {
      return problems.some((problem) => problem.severity === 'error');
    },
    error: (at, complaint) => add('error', at, complaint),
    warning: (at, complaint) => add('warning', at, complaint),
    fields(value) {
      if (!isMap(value.node)) {
        expected(value, 'a mapping of names to values');
        return null;
      }
      const fields = new Map<string, Field>();
      const merged: Value[] = [];
      for (const pair of value.node.items) {
        if (valuesLeft < 0) break;
        const keyOffset = offsetOf(pair.key) ?? value.offset;
        const key = keyText(pair.key);
        const path = pathOf(value, key);
        const field = { key, keyOffset, value: readValue(pair.value, path, keyOffset) };
        if (key === '<<') merged.push(...mergedBy(field.value));
        else if (!fields.has(key)) fields.set(key, field);
        else
          add(
            'error',
            { path, offset: keyOffset },
            {
              code: 'duplicate-key',
              message: `${key} is there twice`,
              hint: 'remove one of the two; readers disagree which of them counts',
            },
          );
      }
      merge(value, fields, merged);
      return [...fields.values()];
    },
    record(value, known) {
      const fields = reader.fields(value);
      if (fields === null) return null;
      const byName = new Map<string, Field>();
      for (const field of fields) {
        byName.set(field.key, field);
        if (known.includes(field.key)) continue;
        const near = nearestName(field.key, known);
        reader.warning(
          { path: field.value.path, offset: field.keyOffset },
          {
            code: 'unknown-key',
            message: `${field.key} is not a key that means anything here; it is ignored`,
            hint: near === null ? `the keys here are ${known.join(', ')}` : `did you mean ${near}?`,
          },
        );
      }
      return byName;
    },
    items(value, hint) {
      if (!isSeq(value.node)) {
        expected(value, 'a list', hint ?? 'begin each item with "- "');
        return null;
      }
      const items: Value[] = [];
      for (const item of value.node.items) {
        if (valuesLeft < 0) break;
        items.push(readValue(item, `${value.path}[${items.length}]`, value.offset));
      }
      return items;
    },
    text(value, hint) {
      if (value.kind !== 'text') {
        const quote =
          value.kind === 'number' || value.kind === 'boolean' ? `put it in quotes: "${value.written}"` : undefined;
        expected(value, 'text', hint ?? quote);
        return null;
      }
      return checkedText(value);
    },
    word: (value) => (value.kind === 'number' ? value.written : reader.text(value)),
  };
  return reader;

  function mergedBy(value: Value): readonly Value[] {
    return value.kind === 'list' ? (reader.items(value) ?? []) : [value];
  }

  /** Adds what the mappings behind `<<` have, and those behind theirs: what is nearer counts. */
  function merge(
    into: Value,
    fields: Map<string, Field>,
    sources: readonly Value[],
    seen = new Set([into.node]),
  ): void {
    for (const source of sources) {
      // A second time it has nothing to add; an anchor may also stand inside of itself.
      if (seen.has(source.node)) continue;
      seen.add(source.node);
      if (!isMap(source.node)) {
        expected(source, 'a mapping, because of <<');
        continue;
      }
      const behind: Value[] = [];
      for (const pair of source.node.items) {
        if (valuesLeft < 0) return;
        const key = keyText(pair.key);
        const keyOffset = offsetOf(pair.key) ?? source.offset;
        const isMerge = key === '<<';
        if (!isMerge && fields.has(key)) continue;
        const value = readValue(pair.value, pathOf(into, key), keyOffset);
        if (isMerge) behind.push(...mergedBy(value));
        else fields.set(key, { key, keyOffset, value });
      }
      merge(into, fields, behind, seen);
    }
  }

  function checkedText(value: Value): string | null {
    const content = String(value.scalar);
    if (content.trim() === '') add('error', value, { code: 'empty-text', message: `${value.path} is empty` });
    else if (content.includes('\0'))
      add('error', value, { code: 'nul-character', message: `${value.path} contains a NUL character` });
    else return content;
    return null;
  }
}

const QUOTE_STARS = 'text that begins with * needs quotes: "**"';

const KIND_NAMES: Record<Value['kind'], string> = {
  mapping: 'a mapping',
  list: 'a list',
  text: 'text',
  number: 'a number',
  boolean: 'true or false',
  null: 'empty',
  other: 'something else',
};

/** YAML 1.2 core schema: `0644` is a number whose written form is kept, `yes` is text. A reason when it cannot be read at all. */
function parseSafely(text: string, lineCounter: LineCounter) {
  if (Buffer.byteLength(text) > MAX_APPSPEC_BYTES) return `it is larger than ${MAX_APPSPEC_BYTES} bytes`;
  try {
    if (isTooMuch(text)) return 'it is nested too deeply or holds too much';
    return parseDocument<ParsedNode>(text, {
      lineCounter,
      version: '1.2',
      schema: 'core',
      // The parser compares each key with each; fields() does it with a table.
      uniqueKeys: false,
      prettyErrors: false,
      logLevel: 'silent',
    });
  } catch (error) {
    // The parser promises to collect its errors; a file must not be able to end an agent where it does not.
    return String(error);
  }
}

/** What each alias stands for: the last anchor of its name before it. The library's own way looks through the document for each. */
function targetsOfAliases(document: Document.Parsed<ParsedNode>): Map<Alias, Node> {
  const anchors = new Map<string, Node>();
  const targets = new Map<Alias, Node>();
  visit(document, {
    Node(_key, node) {
      if (isAlias(node)) {
        const target = anchors.get(node.source);
        if (target !== undefined) targets.set(node, target);
      } else if ((isScalar(node) || isCollection(node)) && node.anchor !== undefined) anchors.set(node.anchor, node);
    },
  });
  return targets;
}

function complaintOf(error: YAMLError, text: string): Complaint {
  if (error.code === 'MULTIPLE_DOCS')
    return {
      code: 'yaml-syntax',
      message: 'the file holds more than one YAML document',
      hint: 'remove the lines with --- between them',
    };
  const complaint = { code: 'yaml-syntax', message: `not valid YAML: ${error.message}` };
  const [start, end] = error.pos;
  if (text[start] === '*' || text.slice(start, end).startsWith('*')) return { ...complaint, hint: QUOTE_STARS };
  if (/\t/.test(text.slice(text.lastIndexOf('\n', start) + 1, start + 1)))
    return { ...complaint, hint: 'indent with spaces; YAML does not allow tabs there' };
  return complaint;
}

function pathOf(mapping: Value, key: string): string {
  return mapping.path === '' ? key : `${mapping.path}.${key}`;
}

/** Collections as keys are never asked for their text: it doubles with every level. */
function keyText(key: unknown): string {
  return isScalar(key) && typeof key.value !== 'object' ? String(key.value) : '?';
}

function offsetOf(node: unknown): number | null {
  if (typeof node !== 'object' || node === null || !('range' in node)) return null;
  const range = node.range;
  return Array.isArray(range) && typeof range[0] === 'number' ? range[0] : null;
}

function scalarKind(scalar: unknown): Value['kind'] {
  if (scalar === null || scalar === undefined) return 'null';
  if (typeof scalar === 'string') return 'text';
  if (typeof scalar === 'number' || typeof scalar === 'bigint') return 'number';
  return typeof scalar === 'boolean' ? 'boolean' : 'other';
}

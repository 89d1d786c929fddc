import { type CommandGroup, type CommandSpec, FLAG_GROUPS } from '../command.ts';
import { EXIT_CODES } from '../exit-codes.ts';
import type { Style } from './style.ts';
import { padEnd, widthOf, wrap } from './text.ts';

/** Flags that every command takes. */
export const GLOBAL_FLAGS: readonly (readonly [flags: string, description: string])[] = [
  ['--json', 'JSON on stdout (drover help json)'],
  ['-q, --quiet', 'ids only'],
  ['--context <name>', 'another coordinator than the one in use'],
  ['--color <when>', 'auto, always or never, which is --no-color (drover help colours)'],
  ['--ascii', 'no character outside of ASCII'],
  ['-h, --help', 'this text'],
];

/** One sentence, examples, what it takes by group, exit codes, see also. */
export function helpOfCommand(spec: CommandSpec, path: string, width: number, style: Style): string[] {
  const sections: [string, (readonly [string, string])[]][] = FLAG_GROUPS.map((group) => [
    group,
    Object.values(spec.options)
      .filter((option) => option.group === group)
      .map((option) => [option.flags, option.description] as const),
  ]);
  sections[0]?.[1].unshift(
    ...Object.values(spec.arguments).map((argument) => [argument.form, argument.description] as const),
  );
  const forms = Object.values(spec.arguments).map((argument) => argument.form);
  const usage = ['drover', path, ...forms, ...(Object.keys(spec.options).length > 0 ? ['[flags]'] : [])].join(' ');
  return [
    ...wrap(`${spec.summary}.`, width),
    '',
    ...(spec.examples.length === 0 ? [] : [...pairs(spec.examples, width, style), '']),
    `${style.dim('Usage')}    ${usage}`,
    ...sections.flatMap(([title, rows]) =>
      rows.length === 0 ? [] : [style.bold(title), ...pairs(rows, width, style)],
    ),
    style.bold('Everywhere'),
    ...pairs(GLOBAL_FLAGS, width, style),
    '',
    ...spec.notes.flatMap((note) => [...wrap(note, width), '']),
    ...exitLines(spec, width),
    ...(spec.seeAlso.length === 0 ? [] : [`See also ${spec.seeAlso.map((name) => `drover ${name}`).join(', ')}`]),
  ];
}

export function helpOfGroup(group: CommandGroup, width: number, style: Style): string[] {
  const rows = group.commands.map((command) => {
    const forms = Object.values(command.arguments).map((argument) => argument.form);
    return [['drover', group.name, command.name, ...forms].join(' '), firstLower(command.summary)] as const;
  });
  return [
    `${group.summary}.`,
    '',
    ...pairs(rows, width, style),
    '',
    `More on each: drover ${group.name} ${group.commands[0]?.name ?? '<command>'} --help`,
  ];
}

export function helpOfProgram(
  entries: readonly { name: string; summary: string; section: string }[],
  width: number,
  style: Style,
): string[] {
  const sections = [...new Set(entries.map((entry) => entry.section))];
  return [
    'Drive a herd of hosts from one revision to the next, and back when it fails.',
    '',
    ...pairs(
      [
        ['drover', 'what needs me'],
        ['drover push ./build --app web', 'a directory becomes a revision'],
        ['drover deploy web/prod', 'the newest revision, watched to its end'],
        ['drover why last', 'why hosts failed'],
        ['drover rollback web/prod', 'back to the last good revision'],
      ],
      width,
      style,
    ),
    '',
    ...sections.flatMap((section) => [
      style.bold(section),
      ...pairs(
        entries.filter((entry) => entry.section === section).map((entry) => [entry.name, firstLower(entry.summary)]),
        width,
        style,
      ),
    ]),
    style.bold('Everywhere'),
    ...pairs(
      [...GLOBAL_FLAGS, ['--version', 'versions of the command, the coordinator and their protocol']],
      width,
      style,
    ),
    '',
    'More: drover <command> --help, drover help exit-codes | json | colours | environment',
  ];
}

/** Two columns, the second one wrapped in its own place. */
function pairs(rows: readonly (readonly [string, string])[], width: number, style: Style): string[] {
  const first = Math.min(48, Math.max(...rows.map(([left]) => widthOf(left))));
  const room = Math.max(24, width - first - 5);
  return rows.flatMap(([left, right]) => {
    const [head = '', ...rest] = wrap(right, room);
    const lines =
      widthOf(left) > first
        ? [`  ${left}`, `  ${' '.repeat(first)}   ${style.dim(head)}`]
        : [`  ${padEnd(left, first)}   ${style.dim(head)}`];
    return [...lines, ...rest.map((text) => `  ${' '.repeat(first)}   ${style.dim(text)}`)];
  });
}

function exitLines(spec: CommandSpec, width: number): string[] {
  const exits = EXIT_CODES.filter((exit) => exit.name === 'done' || spec.exits.includes(exit.name));
  // Code and name stay on one line.
  const words = [...exits.map((exit) => `${exit.code}\u00a0${exit.name}`), '(drover\u00a0help\u00a0exit-codes)'];
  return wrap(words.map((word) => `${word}\u00a0`).join(' '), width - 9).map(
    (text, index) => `${index === 0 ? 'Exit     ' : '         '}${text.replaceAll('\u00a0', ' ').trimEnd()}`,
  );
}

function firstLower(text: string): string {
  return /^[A-Z][a-z ]/.test(text) ? `${text.charAt(0).toLowerCase()}${text.slice(1)}` : text;
}

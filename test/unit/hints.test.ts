import { expect } from 'chai';
import { CATALOGUE } from '../../coordinator/cli/catalogue.ts';
import { type CommandSpec, isGroup } from '../../coordinator/cli/command.ts';
import { readSources, withoutComments } from '../support/imports.ts';

/** In a text: `drover word word …` up to where the sentence or the text ends. A `${…}` or `<…>` is one word. */
const COMMAND_LINE = /\bdrover ((?:\$\{[^}]*\}|<[^>]*>|\[[^\]]*\]|[^\s'`".,;:()]|\.(?=\w)|:(?=\/\/)| (?! ))+)/g;
/** Programs and prose that begin with the same word. */
const NOT_A_COMMAND = /^(process|described|\$\{)/;

describe('a command line that a text tells', () => {
  it('exists: the command, its flags, and as many arguments as it takes', async () => {
    const commands = await allCommands();
    const wrong: string[] = [];
    let count = 0;
    for (const { path, text } of readSources(['coordinator', 'agent', 'shared']))
      for (const [, literal = ''] of withoutComments(text).matchAll(/((?:'[^'\n]*')|(?:`[^`]*`)|(?:"[^"\n]*"))/g))
        for (const [line, rest = ''] of literal.matchAll(COMMAND_LINE)) {
          if (NOT_A_COMMAND.test(rest) || !/^[a-z]/.test(rest)) continue;
          count++;
          const problem = problemOf(commands, rest.trim());
          if (problem !== null) wrong.push(`${path}: ${line.trim()}: ${problem}`);
        }
    expect(wrong).to.deep.equal([]);
    expect(count, 'command lines found').to.be.above(80);
  });
});

async function allCommands(): Promise<Map<string, CommandSpec | null>> {
  const commands = new Map<string, CommandSpec | null>();
  for (const entry of CATALOGUE) {
    const loaded = await entry.load();
    commands.set(entry.name, isGroup(loaded) ? null : loaded);
    if (isGroup(loaded)) for (const spec of loaded.commands) commands.set(`${entry.name} ${spec.name}`, spec);
  }
  return commands;
}

function problemOf(commands: Map<string, CommandSpec | null>, line: string): string | null {
  const words: string[] = line.match(/(?:\$\{[^}]*\}|<[^>]*>|\[[^\]]*\]|\S)+/g) ?? [];
  const [first = '', second = ''] = words;
  if (!commands.has(first)) return `there is no command ${first}`;
  const spec = commands.get(`${first} ${second}`) ?? commands.get(first);
  if (spec === undefined || spec === null)
    return words.includes('--help') || words.length === 1 ? null : `there is no command ${first} ${second}`;
  const given = words.slice(commands.has(`${first} ${second}`) ? 2 : 1);
  const options = Object.values(spec.options);
  let positional = 0;
  for (let i = 0; i < given.length; i++) {
    const word = given[i] ?? '';
    // Where a sentence or a shell goes on after the command.
    if (['shows', 'and', 'or', 'to', 'tells', 'makes', 'for', '<', '>', '|'].includes(word)) break;
    if (!word.startsWith('-')) {
      positional++;
      continue;
    }
    if (/^(--json|--help|--context|--quiet|-q|--ascii|--version|-h)$/.test(word)) continue;
    const option = options.find(({ flags }) => flags.split(/[ ,]+/).includes(word.split('=')[0] ?? ''));
    if (option === undefined) return `it has no flag ${word}`;
    if (/[<[]/.test(option.flags) && !word.includes('=')) i++;
  }
  const forms = Object.values(spec.arguments).map((argument) => argument.form);
  const least = forms.filter((form) => form.startsWith('<')).length;
  const most = forms.some((form) => form.includes('...')) ? Number.POSITIVE_INFINITY : forms.length;
  // A hint may leave all of them to the reader, as in "List them: drover groups show".
  if (positional > most) return `it takes ${forms.join(' ') || 'no argument'}`;
  return positional < least && positional > 0 ? `it needs ${forms.join(' ')}` : null;
}

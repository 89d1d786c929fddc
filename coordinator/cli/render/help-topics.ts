import { EXIT_CODES } from '../exit-codes.ts';
import type { Style } from './style.ts';
import { table } from './table.ts';
import { wrap } from './text.ts';

export const HELP_TOPICS = ['exit-codes', 'json', 'colours', 'environment'] as const;
export type HelpTopic = (typeof HELP_TOPICS)[number];

export function isTopic(name: string): name is HelpTopic {
  return (HELP_TOPICS as readonly string[]).includes(name);
}

export function topicLines(topic: HelpTopic, width: number, style: Style): string[] {
  switch (topic) {
    case 'exit-codes':
      return [
        'How a command ended. Each one that does not end with 0 ends with the name of its code.',
        '',
        ...table(
          [{ title: 'CODE' }, { title: 'NAME' }, { title: 'MEANING', isProse: true }],
          EXIT_CODES.map((exit) => [String(exit.code), exit.name, exit.meaning]),
          width,
          style,
        ),
      ];
    case 'json':
      return paragraphs(width, [
        'With --json a command prints one JSON document on stdout: {"v":1, ...}. "v" is the version of the shape; fields are only ever added to it. Several documents come from watching (below), from logs, from agents update, agents stop and agents status --watch, a line each, and from groups apply, one for each group that it changes.',
        'Lists are {"v":1,"items":[...]}; one thing is under its name, for example {"v":1,"deployment":{...}}. Instants are UTC in ISO 8601, spans and sizes carry their unit in the name (durationMs, sizeBytes).',
        'Errors are on stdout too, with the exit code kept: {"error":{"code","message","hint","requestId","details","exit","exitName"}}. "code" is the API\'s, or the name of the exit code spelt alike (not_found, needs_answer).',
        'Watching (deploy, watch, stop, rollback, redeploy, retry) prints a document a line: {"v":1,"seq","at","deployment","kind", ...} with the kinds head, progress, target (with --targets), cause, decision, connection and ended. The last line is "ended" with result and exit, "left", or an error.',
        'With --quiet only ids are printed, one a line; of a new token its secret.',
      ]);
    case 'colours':
      return paragraphs(width, [
        'Colour only repeats what words and marks say. It is used on a terminal, unless NO_COLOR is set or TERM is dumb; FORCE_COLOR=1 uses it anywhere. --color always, --color never and --no-color beat them all; --color auto leaves it to them.',
        'Characters outside of ASCII are used when LC_ALL, LC_CTYPE or LANG says UTF-8, and never with --ascii.',
      ]);
    case 'environment':
      return [
        'What the command reads from its environment.',
        '',
        ...table(
          [{ title: 'VARIABLE' }, { title: 'MEANING', isProse: true }],
          [
            ['DROVER_URL', "the coordinator's address, instead of a context's; --context beats it"],
            ['DROVER_TOKEN', "the token, instead of the context's own; --context beats it where it has one"],
            [
              'DROVER_CA_FILE',
              "PEM file of the authority of its certificate, instead of the context's own; --context beats it where it has one",
            ],
            ['DROVER_CONTEXT', 'the context, instead of the one in use; --context beats it, and so does DROVER_URL'],
            ['NO_COLOR, FORCE_COLOR, TERM', 'see drover help colours'],
            ['LC_ALL, LC_CTYPE, LANG', 'see drover help colours'],
            ['TZ', 'the zone of the times that are shown'],
            ['AWS_PROFILE, AWS_REGION, ...', 'for an import, as for the aws command: drover import codedeploy --help'],
            ['DROVER_TRACE', 'set: an unexpected failure shows where it came from'],
            ['XDG_CONFIG_HOME', 'contexts.json is in its drover/ (default ~/.config)'],
            ['XDG_STATE_HOME', 'what `last` means is in its drover/ (default ~/.local/state)'],
            ['GITHUB_ACTIONS, GITLAB_CI, BUILDKITE', 'marks that fold the log of a watch'],
          ],
          width,
          style,
        ),
      ];
  }
}

function paragraphs(width: number, texts: readonly string[]): string[] {
  return texts.flatMap((text, index) => [...(index === 0 ? [] : ['']), ...wrap(text, width)]);
}

import { formatProblem } from '../../../shared/appspec/format.ts';
import { defineCommand, flag, optionalArgument } from '../command.ts';
import { errorsOf, lintPath } from '../lint.ts';
import { plural } from '../render/units.ts';

export const lintCommand = defineCommand({
  name: 'lint',
  summary: 'Check the AppSpec of a directory or an archive: every problem at once, with its line',
  examples: [
    ['drover lint', 'this directory'],
    ['drover lint build.tgz --json', 'an archive, for an editor or a pipeline'],
  ],
  arguments: {
    path: optionalArgument('[path]', 'a directory, or a tar, tgz or zip archive; default: this directory', 'path'),
  },
  options: { strict: flag('--strict', 'warnings count as errors', { group: 'Safety' }) },
  exits: ['usage'],
  seeAlso: ['push'],
  notes: ['It needs no coordinator. Exit 2 when there is an error, with --strict also for a warning.'],
  async run(cli, args, options) {
    const linted = await lintPath(cli.world.files, args.path ?? '.');
    const errors = errorsOf(linted).length;
    const warnings = linted.problems.length - errors;
    const { output } = cli;
    output.answer({
      json: () => ({ file: linted.fileName, errors, warnings, problems: linted.problems }),
      lines: () => linted.problems.map((problem) => formatProblem(problem, linted.source, linted.fileName)),
      ids: () => linted.problems.map((problem) => problem.code),
    });
    output.note(`${linted.fileName}: ${plural(errors, 'error')}, ${plural(warnings, 'warning')}`);
    return errors > 0 || (options.strict === true && warnings > 0) ? 'usage' : 'done';
  },
});

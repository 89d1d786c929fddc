import { join, resolve } from 'node:path';
import { formatProblem } from '../../../shared/appspec/format.ts';
import { digestFile, packDirectory } from '../../../shared/bundle/pack.ts';
import { errnoOf, isAppError } from '../../../shared/core/errors.ts';
import type { BundleType, Revision } from '../../../shared/model/revision.ts';
import type { DroverClient } from '../../../shared/sdk/drover-client.ts';
import type { Cli } from '../cli.ts';
import { argument, defineCommand, flag, text } from '../command.ts';
import { CommandFailure, usageError } from '../exit-codes.ts';
import { errorsOf, lintPath } from '../lint.ts';
import { ProgressLine } from '../progress-line.ts';
import { textOrFile } from '../references.ts';
import { bytes, plural } from '../render/units.ts';

export const pushCommand = defineCommand({
  name: 'push',
  summary: 'Check, pack and upload a bundle, and register it as a revision',
  examples: [
    ['drover push ./build --app web', 'a directory; the label is the beginning of its digest'],
    ['drover push build.tgz --app web --label 2.4.1', 'an archive'],
    ['drover deploy web/prod $(drover push . --app web -q)', 'push and deploy'],
  ],
  arguments: { path: argument('<path>', 'a directory, or a tar, tgz or zip archive', 'path') },
  options: {
    app: text('--app <name>', 'the application', { group: 'What', completes: 'application' }),
    label: text(
      '--label <label>',
      'a version name, unique in its application (default: first 8 digits of the digest)',
      { group: 'What' },
    ),
    description: text('--description <text>', 'for people (@file reads it from a file)', { group: 'What' }),
    noLint: flag('--no-lint', 'do not check the AppSpec first', { group: 'Safety' }),
  },
  exits: ['usage', 'refused', 'not-found', 'not-permitted', 'unreachable', 'left'],
  seeAlso: ['lint', 'deploy', 'revisions ls'],
  notes: [
    'A directory with the same names, modes and contents always gives the same digest; a digest that is known is not sent again, keeps its label (another one that is asked for is refused: exit 3), and is `latest` from then on. What .droverignore names stays out.',
  ],
  async run(cli, args, options) {
    if (options.app === undefined) throw usageError('--app is missing', 'For example drover push ./build --app web');
    const { revision, isNew } = await pushBundle(cli, {
      path: args.path,
      application: options.app,
      label: options.label,
      description: options.description === undefined ? undefined : await textOrFile(cli, options.description),
      isUnchecked: options.noLint === true,
    });
    cli.output.answer({
      json: () => ({ revision, isNew }),
      lines: () => [
        `${revision.label}  ${revision.id}  ${revision.digest.slice(0, 12)}  ${bytes(revision.sizeBytes)}${isNew ? '' : '  (known already, nothing was sent)'}`,
      ],
      ids: () => [revision.id],
    });
    return 'done';
  },
});

export interface PushRequest {
  path: string;
  application: string;
  label?: string | undefined;
  description?: string | undefined;
  isUnchecked?: boolean;
}

/** Lints, packs what is a directory, and uploads what the coordinator does not know yet. */
export async function pushBundle(cli: Cli, request: PushRequest): Promise<{ revision: Revision; isNew: boolean }> {
  const path = resolve(request.path);
  const bundleType = await check(cli, request, path);
  const leaving = new AbortController();
  const stopSignals = cli.world.onInterrupt(() =>
    leaving.abort(new CommandFailure('left', 'left: nothing was registered')),
  );
  try {
    if (bundleType !== null)
      return await upload(
        cli,
        request,
        { path, bundleType, ...(await digestFile(path, leaving.signal)) },
        leaving.signal,
      );
    return await cli.world.files.withTemporaryDirectory(async (directory) => {
      const toPath = join(directory, 'bundle.tgz');
      const progress = new ProgressLine(cli, 'packing');
      const packed = await packDirectory({
        directory: path,
        toPath,
        signal: leaving.signal,
        onProgress: ({ readBytes, totalBytes }) => progress.update(readBytes, totalBytes),
      })
        .catch((error: unknown) => {
          throw errnoOf(error) === 'ENOSPC' ? noRoom(directory) : error;
        })
        .finally(() => progress.close());
      leaving.signal.throwIfAborted();
      return upload(cli, request, { path: toPath, ...packed }, leaving.signal);
    });
  } finally {
    stopSignals();
  }
}

function noRoom(directory: string): CommandFailure {
  return new CommandFailure('unexpected', `the disk of ${directory} became full while the bundle was packed`, {
    hint: 'Name a directory with more room in TMPDIR.',
  });
}

/** Tells what is wrong, and what kind of archive it is: null for a directory. */
async function check(cli: Cli, request: PushRequest, path: string): Promise<BundleType | null> {
  const linted = await lintPath(cli.world.files, request.path);
  if (request.isUnchecked) return linted.bundleType;
  const told = linted.problems.map((problem) => formatProblem(problem, linted.source, linted.fileName));
  const errors = errorsOf(linted);
  if (errors.length === 0) for (const text of told) cli.output.note(text);
  else
    throw new CommandFailure(
      'usage',
      `the AppSpec of ${path} has ${plural(errors.length, 'error')}; nothing was sent\n${told.join('\n')}`,
      {
        hint: 'Correct it (drover lint shows this again), or push it as it is with --no-lint.',
        details: { problems: linted.problems },
      },
    );
  return linted.bundleType;
}

/** A revision has one label. Another one that was asked for must not be taken for this bundle's: what has it is deployed by it. */
async function refuseLabel(client: DroverClient, known: Revision, label: string): Promise<never> {
  const { application } = known;
  const other = await client.getRevision({ application, revision: label }).catch((error: unknown) => {
    if (isAppError(error, 'not_found')) return null;
    throw error;
  });
  if (other?.label === label)
    throw new CommandFailure('refused', `${application} has a revision ${label} already, with other contents`, {
      hint: `This bundle is here as ${known.label}. A label never moves: choose another one.`,
    });
  throw new CommandFailure(
    'refused',
    `this bundle is here as ${known.label} and keeps that label; there is no revision ${label}`,
    {
      hint: `Deploy it as ${known.label}, or push it without --label.`,
      details: { revisionId: known.id, label: known.label },
    },
  );
}

/** Null where it was removed just now, or by a coordinator that is older and does not know of it: it is sent then. */
async function pushAgain(client: DroverClient, { application, id }: Revision): Promise<Revision | null> {
  return client.pushRevisionAgain({ application, revision: id }).catch((error: unknown) => {
    if (isAppError(error, 'not_found')) return null;
    throw error;
  });
}

interface Bundle {
  path: string;
  digest: string;
  sizeBytes: number;
  bundleType: BundleType;
}

async function upload(
  cli: Cli,
  request: PushRequest,
  bundle: Bundle,
  signal: AbortSignal,
): Promise<{ revision: Revision; isNew: boolean }> {
  const { application, label, description } = request;
  const { digest, bundleType, path } = bundle;
  const client = await cli.client();
  const { items } = await client.listRevisions({ application, digest, limit: 50 }, { signal });
  const [known] = items;
  if (known !== undefined) {
    if (label !== undefined && label !== known.label) await refuseLabel(client, known, label);
    const pushed = await pushAgain(client, known);
    if (pushed !== null) return { revision: pushed, isNew: false };
  }
  const progress = new ProgressLine(cli, 'sending');
  const wanted = label ?? digest.slice(0, 8);
  const revision = await client
    .uploadBundle({
      application,
      from: { path },
      digest,
      bundleType,
      label: wanted,
      description,
      onProgress: ({ sentBytes, totalBytes }) => progress.update(sentBytes, totalBytes ?? bundle.sizeBytes),
      signal,
    })
    .finally(() => progress.close());
  if (revision.label === wanted) return { revision, isNew: true };
  // Somebody else has pushed the same bytes meanwhile.
  if (label !== undefined) await refuseLabel(client, revision, label);
  return { revision, isNew: false };
}

import { sleep } from '../../../shared/core/clock.ts';
import { type Deployment, isTerminal } from '../../../shared/model/deployment.ts';
import type { DroverClient } from '../../../shared/sdk/drover-client.ts';
import type { Cli } from '../cli.ts';
import type { ExitName } from '../exit-codes.ts';
import { exitOfOutcome, type Outcome } from '../render/verdict.ts';
import { pipelineOf } from '../terminal.ts';
import { JsonPresenter } from './json-presenter.ts';
import { watchKeys } from './keys.ts';
import { LivePresenter } from './live-presenter.ts';
import { type Ask, ContactWatch, patiently } from './patience.ts';
import { PlainPresenter } from './plain-presenter.ts';
import type { Presenter } from './presenter.ts';
import { WatchModel } from './watch-model.ts';

export interface WatchOptions {
  /** Leave after this long, ms; the deployment goes on. */
  timeoutMs: number | undefined;
  /** NDJSON with an item for each change of a host. */
  hasTargets: boolean;
  /** The command asked for a stop: `Stopped` is then the good end. */
  isStopWanted?: boolean;
  /** The coordinator has just said that it runs: one that is away now will be back. */
  isBegun?: boolean;
}

type Leaving = { why: 'left' } | { why: 'watch-timed-out' };

/** How long a rollback that was announced may take to be there, looks of this distance. */
const ROLLBACK_LOOKS = 10;
const ROLLBACK_LOOK_MS = 200;

/** Watches a deployment, and its rollback, to the end; says what happened, and resolves with how the command ends. */
export async function watchToEnd(
  cli: Cli,
  client: DroverClient,
  deploymentId: string,
  options: WatchOptions,
): Promise<ExitName> {
  const { clock } = cli.world;
  const presenter = presenterOf(cli, options);
  const leaving = new AbortController();
  const leave = (why: Leaving['why']) => leaving.abort({ why } satisfies Leaving);
  const timer =
    options.timeoutMs === undefined ? undefined : clock.setTimer(options.timeoutMs, () => leave('watch-timed-out'));
  const stopSignals = cli.world.onInterrupt(() => leave('left'));
  // Exit 0 would say that the deployment succeeded.
  const stopReader = cli.world.onReaderGone(() => leave('left'));
  const stopKeys =
    presenter instanceof LivePresenter ? watchKeys(cli, client, presenter, () => leave('left')) : () => {};
  try {
    const outcome = await followWithRollback(
      cli,
      client,
      deploymentId,
      presenter,
      leaving.signal,
      options.isBegun ?? false,
    );
    const exit = exitOfOutcome(outcome, { isStopWanted: options.isStopWanted ?? false });
    stopKeys();
    presenter.finished(outcome, exit);
    return exit;
  } catch (error) {
    const reason: unknown = leaving.signal.reason;
    if (!leaving.signal.aborted || error !== reason) throw error;
    stopKeys();
    presenter.close();
    // `leave` is the only one that aborts.
    const { why } = reason as Leaving;
    sayLeft(cli, deploymentId, why);
    if (presenter instanceof JsonPresenter) presenter.left(deploymentId, why);
    return why;
  } finally {
    stopKeys();
    stopSignals();
    stopReader();
    timer?.cancel();
    presenter.close();
  }
}

function sayLeft(cli: Cli, id: string, why: Leaving['why']): void {
  const begin = why === 'left' ? `Left ${id} running.` : `The watching of ${id} timed out; it goes on.`;
  cli.output.complain(`${begin} See it: drover watch ${id}. Stop it: drover stop ${id}`);
}

function presenterOf(cli: Cli, options: WatchOptions): Presenter {
  const { world, output } = cli;
  if (output.mode.isJson) return new JsonPresenter(output, () => world.clock.now(), options);
  if (output.mode.isQuiet)
    return { started() {}, changed() {}, ended() {}, connection() {}, finished() {}, close() {} };
  if (cli.isLive) return new LivePresenter(world, output.style, { hasKeys: world.stdin.isTty });
  return new PlainPresenter(output, world.clock, pipelineOf(world.env));
}

async function followWithRollback(
  cli: Cli,
  client: DroverClient,
  deploymentId: string,
  presenter: Presenter,
  signal: AbortSignal,
  isBegun: boolean,
): Promise<Outcome> {
  const ended = await followFirst(cli, client, deploymentId, presenter, signal, isBegun);
  if (ended.status === 'Succeeded') return { deployment: ended, rollback: null };
  const contact = new ContactWatch(cli.world.clock, (lostSinceAt) =>
    presenter.connection(new WatchModel(ended, []), lostSinceAt),
  );
  const ask: Ask = (question) => patiently(cli, contact, signal, question);
  try {
    const deployment = await withRollbackDecided(cli, client, ended, signal, ask);
    const rollbackId = deployment.rollbackInfo.rollbackDeploymentId;
    if (rollbackId === null) return { deployment, rollback: null };
    return { deployment, rollback: await followOne(cli, client, rollbackId, presenter, signal, ask) };
  } finally {
    contact.stop();
  }
}

async function followFirst(
  cli: Cli,
  client: DroverClient,
  id: string,
  presenter: Presenter,
  signal: AbortSignal,
  isBegun: boolean,
): Promise<Deployment> {
  if (!isBegun) return followOne(cli, client, id, presenter, signal);
  // There is no picture yet to say it in.
  const contact = new ContactWatch(cli.world.clock, (lostSinceAt) =>
    cli.output.note(
      lostSinceAt === null ? 'The coordinator answers.' : `The coordinator does not answer; ${id} goes on.`,
    ),
  );
  try {
    return await followOne(cli, client, id, presenter, signal, (question) => patiently(cli, contact, signal, question));
  } finally {
    contact.stop();
  }
}

/** The end of a deployment and the beginning of its rollback may be two writes: looks again while one is to be expected. */
async function withRollbackDecided(
  cli: Cli,
  client: DroverClient,
  ended: Deployment,
  signal: AbortSignal,
  ask: Ask,
): Promise<Deployment> {
  const { autoRollback } = ended;
  const event = ended.status === 'Stopped' ? 'DEPLOYMENT_STOP_ON_REQUEST' : 'DEPLOYMENT_FAILURE';
  const isExpected =
    autoRollback.enabled && autoRollback.events.includes(event) && ended.creator !== 'codeDeployRollback';
  let deployment = ended;
  for (let look = 0; look < ROLLBACK_LOOKS; look++) {
    const { rollbackDeploymentId, rollbackMessage } = deployment.rollbackInfo;
    if (rollbackDeploymentId !== null || rollbackMessage !== null || (look > 0 && !isExpected)) break;
    if (look > 0) await sleep(cli.world.clock, ROLLBACK_LOOK_MS, signal);
    const { rollbackInfo } = await ask(() => client.getDeployment({ deployment: ended.id }, { signal }));
    deployment = { ...ended, rollbackInfo };
  }
  return deployment;
}

async function followOne(
  cli: Cli,
  client: DroverClient,
  id: string,
  presenter: Presenter,
  signal: AbortSignal,
  ask: Ask = (question) => question(),
): Promise<Deployment> {
  const { clock } = cli.world;
  const model = await ask(() => loadModel(client, id, signal));
  presenter.started(model);
  if (isTerminal(model.deployment.status)) {
    presenter.ended(model);
    return model.deployment;
  }
  const contact = new ContactWatch(clock, (lostSinceAt) => presenter.connection(model, lostSinceAt));
  const stopTicks = every(clock, 1_000, () => presenter.changed(model, []));
  try {
    for await (const item of client.follow(id, { signal })) {
      if (item.kind === 'connection') {
        if (item.state === 'lost') contact.lost();
        else contact.back();
        continue;
      }
      presenter.changed(model, model.apply(item));
      if (item.kind !== 'ended') continue;
      presenter.ended(model);
      return item.deployment;
    }
  } finally {
    stopTicks();
    contact.stop();
  }
  throw new Error(`the feed of ${id} ended without saying how`);
}

async function loadModel(client: DroverClient, id: string, signal: AbortSignal): Promise<WatchModel> {
  const deployment = await client.getDeployment({ deployment: id }, { signal });
  const targets = [];
  for await (const target of client.all('listTargets', { deployment: id }, { signal })) targets.push(target);
  return new WatchModel(deployment, targets);
}

function every(clock: Cli['world']['clock'], periodMs: number, run: () => void): () => void {
  let timer = clock.setTimer(periodMs, tick);
  function tick() {
    timer = clock.setTimer(periodMs, tick);
    run();
  }
  return () => timer.cancel();
}

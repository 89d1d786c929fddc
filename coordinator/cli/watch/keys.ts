import { errorMessage } from '../../../shared/core/errors.ts';
import type { Target } from '../../../shared/model/target.ts';
import type { DroverClient } from '../../../shared/sdk/drover-client.ts';
import type { Cli } from '../cli.ts';
import { whyLines } from '../render/cause-lines.ts';
import { lastLines } from '../render/text.ts';
import type { LivePresenter } from './live-presenter.ts';

const CTRL_C = '\u0003';
const LOG_LINES = 6;
const LOG_BYTES = 4_096;
const LOG_PERIOD_MS = 2_000;

type Mode = 'picture' | 'why' | 'log' | 'stop?';

/** Keys of the live picture: s stop (with a question), l log, w why, q or Ctrl C leave. Returns how to end it. */
export function watchKeys(cli: Cli, client: DroverClient, presenter: LivePresenter, leave: () => void): () => void {
  if (!cli.world.stdin.isTty) return () => {};
  const { clock } = cli.world;
  let mode: Mode = 'picture';
  let timer = clock.setTimer(LOG_PERIOD_MS, tick);

  function tick(): void {
    timer = clock.setTimer(LOG_PERIOD_MS, tick);
    if (mode === 'log') void showLog();
  }

  function show(next: Mode, lines: readonly string[]): void {
    mode = next;
    presenter.panel(lines);
  }

  async function showLog(): Promise<void> {
    const lines = await logLines(client, presenter);
    if (mode === 'log') presenter.panel(lines);
  }

  async function stop(rollback: boolean | undefined): Promise<void> {
    const id = presenter.model?.deployment.id;
    if (id === undefined) return;
    try {
      await client.stopDeployment({ deployment: id, ...(rollback === undefined ? {} : { rollback }) });
      show('picture', []);
    } catch (error) {
      show('picture', [`cannot stop: ${errorMessage(error)}`]);
    }
  }

  function onKey(key: string): void {
    if (key === CTRL_C || key === 'q') {
      leave();
      return;
    }
    if (mode === 'stop?') {
      if (key === 'y') void stop(undefined);
      else if (key === 'r') void stop(true);
      else show('picture', []);
      return;
    }
    if (key === 's')
      show('stop?', [
        '',
        `Stop ${presenter.model?.deployment.id}? No further host starts, hosts in progress finish.`,
        'y stop   r stop and roll back   n no',
      ]);
    else if (key === 'w') showWhy();
    else if (key === 'l' && mode !== 'log') {
      show('log', ['', 'reading the log']);
      void showLog();
    } else if (key === 'l') show('picture', []);
  }

  function showWhy(): void {
    const causes = presenter.model?.causes.list ?? [];
    if (mode === 'why' || causes.length === 0) show('picture', []);
    else show('why', ['', ...whyLines(causes, cli.world.stderr.columns(), cli.output.style).slice(0, 10)]);
  }

  const stopKeys = cli.world.stdin.onKey(onKey);
  let isOver = false;
  return () => {
    if (isOver) return;
    isOver = true;
    timer.cancel();
    stopKeys();
  };
}

/** The end of what the host prints that runs, or else of the one that failed first. */
async function logLines(client: DroverClient, presenter: LivePresenter): Promise<string[]> {
  const { model } = presenter;
  if (model === undefined) return [];
  const running = [...model.targets].find((one) => one.status === 'InProgress' && one.lifecycleEvent !== null);
  const target: Target | null = running ?? model.causes.first;
  if (target === null || target.lifecycleEvent === null) return ['', 'no host runs a script now'];
  const { deploymentId: deployment, hostName: host, lifecycleEvent: event } = target;
  try {
    const { length } = await client.getOutput({ deployment, host, event, limitBytes: 1 });
    const { text } = await client.getOutput({
      deployment,
      host,
      event,
      offset: Math.max(0, length - LOG_BYTES),
      limitBytes: LOG_BYTES,
    });
    const lines = lastLines(text, LOG_LINES);
    return [
      '',
      `log of ${host} ${event}`,
      ...(lines.length === 0 ? ['  (nothing printed yet)'] : lines.map((one) => `  ${one}`)),
    ];
  } catch (error) {
    return ['', `cannot read the log of ${host}: ${errorMessage(error)}`];
  }
}

import { DroverClient } from '../../shared/sdk/drover-client.ts';
import { type ChosenContext, chooseContext, loadContexts, stateDirectory } from './context.ts';
import { CommandFailure } from './exit-codes.ts';
import type { Output } from './output.ts';
import { loadState, type State, saveState } from './state.ts';
import type { World } from './world.ts';

export interface GlobalOptions {
  context: string | undefined;
}

/** What every command works with: the world, the output, and the coordinator it is for. */
export class Cli {
  readonly world: World;
  readonly output: Output;
  readonly globals: GlobalOptions;
  /** A picture redrawn in place may be shown on stderr. */
  readonly isLive: boolean;
  #client: Promise<DroverClient> | undefined;

  constructor(world: World, output: Output, globals: GlobalOptions, isLive: boolean) {
    this.world = world;
    this.output = output;
    this.globals = globals;
    this.isLive = isLive;
  }

  async chosen(): Promise<ChosenContext> {
    const { files, env } = this.world;
    return chooseContext(await loadContexts(files, env), env, this.globals.context);
  }

  client(): Promise<DroverClient> {
    this.#client ??= this.chosen().then((chosen) => this.clientOf(chosen));
    return this.#client;
  }

  clientOf(
    chosen: Pick<ChosenContext, 'url' | 'token' | 'caFile'>,
    options: { timeoutMs?: number } = {},
  ): DroverClient {
    const { clock, randomness } = this.world;
    return new DroverClient({
      url: chosen.url,
      token: chosen.token,
      caFile: chosen.caFile,
      userAgent: 'drover-cli',
      clock,
      randomness,
      ...options,
    });
  }

  /** True when somebody can be asked. */
  get canAsk(): boolean {
    return this.world.stdin.isTty && this.world.stderr.isTty && !this.output.mode.isJson;
  }

  /**
   * Asks before something that cannot be taken back easily: yes or no, or the name typed when it is a dangerous place.
   * @param what the question, with context, group and count
   * @param options.without what is so when the answer is not yes
   * @throws CommandFailure `needs-answer` without a terminal, `refused` when the answer is not yes, `left` when there is none
   */
  async confirm(
    what: string,
    options: { isYes: boolean | undefined; typed?: string | undefined; without?: string },
  ): Promise<void> {
    if (options.isYes) return;
    if (!this.canAsk)
      throw new CommandFailure('needs-answer', `${what} needs a yes, and there is no terminal to ask on`, {
        hint: 'Give the answer with --yes.',
      });
    const { typed, without = 'nothing was changed' } = options;
    const question = typed === undefined ? `${what}? [y/N] ` : `${what}?  type  ${typed} : `;
    const answer = await this.world.stdin.ask(question, { isSecret: false });
    if (answer === undefined) throw new CommandFailure('left', without);
    const isYes = typed === undefined ? /^y(es)?$/i.test(answer.trim()) : answer.trim() === typed;
    if (!isYes)
      throw new CommandFailure(
        'refused',
        `${typed === undefined ? 'the answer was not yes' : `${typed} was not typed`}: ${without}`,
      );
  }

  async rememberDeployment(id: string): Promise<void> {
    const { url } = await this.chosen();
    await this.updateState((state) => ({ ...state, lastDeployments: { ...state.lastDeployments, [url]: id } }));
  }

  async lastDeployment(): Promise<string> {
    const { url } = await this.chosen();
    const { files, env } = this.world;
    const id = (await loadState(files, stateDirectory(env))).lastDeployments[url];
    if (id === undefined)
      throw new CommandFailure('not-found', 'there is no last deployment: none was made from here', {
        hint: 'drover history',
      });
    return id;
  }

  /** What cannot be stored is only a convenience: the command goes on without it. */
  async updateState(change: (state: State) => State): Promise<void> {
    const { files, env } = this.world;
    const directory = stateDirectory(env);
    try {
      await saveState(files, directory, change(await loadState(files, directory)));
    } catch {
      this.output.note(`(cannot write to ${directory}: \`last\` will not be known)`);
    }
  }
}

import type { Clock } from '../../shared/core/clock.ts';
import type { Randomness } from '../../shared/core/randomness.ts';
import type { Environment } from './terminal.ts';

export interface OutStream {
  write(text: string): void;
  isTty: boolean;
  /** Of the terminal, or what fits any. */
  columns(): number;
  rows(): number;
}

/** Everything outside of the command, as main.ts hands it in; tests may hand in another. */
export interface World {
  argv: readonly string[];
  env: Environment;
  stdout: OutStream;
  stderr: OutStream;
  stdin: {
    isTty: boolean;
    readAll(): Promise<string>;
    /** Asks on the terminal; undefined when it was left by Ctrl C. */
    ask(question: string, options: { isSecret: boolean }): Promise<string | undefined>;
    /** Keys one by one, until the returned function is called. Ctrl C is a key then (`\u0003`). */
    onKey(heard: (key: string) => void): () => void;
  };
  files: CliFiles;
  clock: Clock;
  randomness: Randomness;
  utcOffset(at: number): number;
  /** SIGINT, SIGTERM, SIGHUP, until the returned function is called. */
  onInterrupt(heard: () => void): () => void;
  /** Nobody reads stdout any more. Where nobody hears of it the command ends at once, as done. The returned function ends listening. */
  onReaderGone(heard: () => void): () => void;
  onResize(heard: () => void): () => void;
  /** Called when the process ends, however it does: to leave the terminal as it was. */
  onExit(run: () => void): () => void;
}

export interface CliFiles {
  /** Undefined when there is no such file. */
  readText(path: string): Promise<string | undefined>;
  /** Writes a file that only its owner reads (0600), in one step; makes its directory. */
  writePrivate(path: string, text: string): Promise<void>;
  kindOf(path: string): Promise<'file' | 'directory' | 'absent'>;
  /** Runs with the path of a temporary directory, which is gone afterwards. */
  withTemporaryDirectory<T>(run: (directory: string) => Promise<T>): Promise<T>;
}

import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import type { ReadStream, WriteStream } from 'node:tty';

/** One line from the terminal; undefined when it was left by Ctrl C or Ctrl D. A secret is not shown as it is typed. */
export function askOnTerminal(
  stdin: ReadStream,
  stderr: WriteStream,
  question: string,
  options: { isSecret: boolean },
): Promise<string | undefined> {
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  const reader = createInterface({
    input: stdin,
    output: options.isSecret ? silent : stderr,
    terminal: true,
    prompt: '',
  });
  return new Promise((resolve) => {
    const end = (answer: string | undefined) => {
      // Before closing, which ends the question too.
      resolve(answer);
      reader.close();
      if (options.isSecret || answer === undefined) stderr.write('\n');
    };
    reader.once('line', (answer) => end(answer));
    reader.once('SIGINT', () => end(undefined));
    reader.once('close', () => resolve(undefined));
    // Not before the terminal is in its hands: what is typed at once would be echoed twice.
    stderr.write(question);
  });
}

/** Single keys, unbuffered, until the returned function gives the terminal back. */
export function hearKeys(stdin: ReadStream, heard: (key: string) => void): () => void {
  const onData = (data: Buffer) => {
    for (const key of data.toString('utf8')) heard(key);
  };
  stdin.setRawMode(true);
  stdin.on('data', onData);
  stdin.resume();
  return () => {
    stdin.off('data', onData);
    stdin.setRawMode(false);
    stdin.pause();
  };
}

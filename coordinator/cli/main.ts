#!/usr/bin/env node
import { fstatSync, writeSync } from 'node:fs';
import { errnoOf, errorMessage } from '../../shared/core/errors.ts';
import { foregroundClock } from '../../shared/core/system-clock.ts';
import { systemRandomness } from '../../shared/core/system-randomness.ts';
import { exitCode } from './exit-codes.ts';
import { localFiles } from './local-files.ts';
import { runProgram } from './program.ts';
import { exitLine } from './render/failure.ts';
import { makeStyle } from './render/style.ts';
import { askOnTerminal, hearKeys } from './terminal-input.ts';
import type { OutStream, World } from './world.ts';

// A reader that has seen enough (`drover ls | head`) is no failure. Whoever has yet to tell how something ends hears of it instead.
const onReaderGone = new Set<() => void>();
let isReaderGone = false;
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (isReaderGone) return;
  if (error.code !== 'EPIPE') endUnwritten(error);
  if (onReaderGone.size === 0) process.exit(0);
  isReaderGone = true;
  for (const heard of onReaderGone) heard();
});
// Nobody reads what is for people: that is no reason to do less, or to end otherwise.
process.stderr.on('error', () => {});

// AWS's client says on stderr that it will want a later Node one day: nobody who calls this command can do anything about it.
process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] ??= 'true';

const world: World = {
  argv: process.argv.slice(2),
  env: process.env,
  stdout: { ...outStream(process.stdout), ...(isFile(process.stdout.fd) ? { write: writeToFile } : {}) },
  stderr: outStream(process.stderr),
  stdin: {
    isTty: process.stdin.isTTY === true,
    readAll: async () => {
      const chunks: Buffer[] = [];
      for await (const chunk of process.stdin) chunks.push(Buffer.from(chunk));
      return Buffer.concat(chunks).toString('utf8');
    },
    ask: (question, options) => askOnTerminal(process.stdin, process.stderr, question, options),
    onKey: (heard) => hearKeys(process.stdin, heard),
  },
  files: localFiles,
  clock: foregroundClock,
  randomness: systemRandomness,
  utcOffset: (at) => -new Date(at).getTimezoneOffset(),
  onInterrupt: (heard) => listen(['SIGINT', 'SIGTERM', 'SIGHUP'], heard),
  onReaderGone: (heard) => {
    onReaderGone.add(heard);
    return () => onReaderGone.delete(heard);
  },
  onResize: (heard) => {
    process.stderr.on('resize', heard);
    return () => process.stderr.off('resize', heard);
  },
  onExit: (run) => {
    process.once('exit', run);
    return () => process.off('exit', run);
  },
};

const exit = await runProgram(world);
// Its error would come after the end.
await new Promise<void>((resolve) => process.stdout.write('', () => resolve()));
const { errored } = process.stdout;
if (errored !== null && !isReaderGone && errnoOf(errored) !== 'EPIPE') endUnwritten(errored);
process.exit(exit);

/** What the command answers would be lost, a secret for good; so it does not end as if it had been said. */
function endUnwritten(error: unknown): never {
  const style = makeStyle({ hasColour: false, isUnicode: false, utcOffset: () => 0 });
  process.stderr.write(
    `error: cannot write the output: ${errorMessage(error)}\n  What was asked for may be done all the same.\n${exitLine('unexpected', style)}\n`,
  );
  process.exit(exitCode('unexpected'));
}

/** Neither a terminal nor a pipe. */
function isFile(descriptor: number): boolean {
  const kind = fstatSync(descriptor);
  return kind.isFile() || (kind.isCharacterDevice() && !process.stdout.isTTY);
}

/** Node's own stream takes what a disk has taken for all of it. */
function writeToFile(text: string): void {
  let rest: Uint8Array = Buffer.from(text);
  try {
    while (rest.byteLength > 0) rest = rest.subarray(writeSync(process.stdout.fd, rest));
  } catch (error) {
    endUnwritten(error);
  }
}

function outStream(stream: NodeJS.WriteStream): OutStream {
  return {
    write: (text) => stream.write(text),
    isTty: stream.isTTY === true,
    columns: () => stream.columns || 80,
    rows: () => stream.rows || 24,
  };
}

function listen(signals: readonly NodeJS.Signals[], heard: () => void): () => void {
  for (const signal of signals) process.on(signal, heard);
  return () => {
    for (const signal of signals) process.off(signal, heard);
  };
}

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { FIRST_TOKEN_FILE } from '../../coordinator/coordinator.ts';
import { type ConfigText, callApi, type TestCoordinator } from './coordinator.ts';
import { endProcess } from './real-herd.ts';

const PROBE = new URL('./heap-probe.mjs', import.meta.url).href;
const ROOT = fileURLToPath(new URL('../..', import.meta.url));

export interface MemoryInUse {
  /** JavaScript's heap and what it holds outside of it, once all garbage is gone. */
  heapBytes: number;
  /** The process as the system sees it: with the database's caches, and with what the allocator keeps. */
  residentBytes: number;
}

/** A real coordinator in a process of its own, which tells how much memory it holds on to. */
export interface MeasuredCoordinator extends Pick<TestCoordinator, 'url' | 'call'> {
  memoryInUse(): Promise<MemoryInUse>;
  remove(): Promise<void>;
}

export async function startMeasuredCoordinator(settings: ConfigText = {}): Promise<MeasuredCoordinator> {
  const directory = await mkdtemp(join(tmpdir(), 'drover-measured-'));
  const dataDirectory = join(directory, 'data');
  const config = join(directory, 'coordinator.yaml');
  // JSON is YAML.
  await writeFile(config, JSON.stringify({ listen: { port: 0 }, dataDirectory, ...settings }));
  const child = spawn(
    process.execPath,
    ['--expose-gc', '--import=tsx', `--import=${PROBE}`, 'coordinator/main.ts', '--config', config],
    { cwd: ROOT, stdio: ['ignore', 'pipe', 'inherit', 'ipc'], env: { PATH: process.env['PATH'] ?? '' } },
  );
  const killAtExit = () => child.kill('SIGKILL');
  process.once('exit', killAtExit);
  const remove = async () => {
    await endProcess(child, 'SIGKILL');
    process.off('exit', killAtExit);
    await rm(directory, { recursive: true, force: true });
  };
  try {
    const url = await listeningAt(child);
    const token = (await readFile(join(dataDirectory, FIRST_TOKEN_FILE), 'utf8')).trim();
    return {
      url,
      call: (method, path, options = {}) => callApi(`${url}${path}`, method, { token, ...options }),
      async memoryInUse() {
        child.send('how much?');
        const [answer] = (await once(child, 'message')) as [MemoryInUse];
        return answer;
      },
      remove,
    };
  } catch (error) {
    await remove();
    throw error;
  }
}

/** The address that it logs once it listens. What it logs later is read and dropped, so that it never waits for a reader. */
function listeningAt(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let output = '';
    child.stdout?.on('data', (chunk: Buffer) => {
      if (output.length > 65_536) return;
      output += chunk.toString('utf8');
      const found = /"url":"([^"]+)"/.exec(output)?.[1];
      if (found !== undefined) resolve(found);
    });
    child.once('exit', (code) => reject(new Error(`the coordinator ended with ${code}: ${output}`)));
  });
}

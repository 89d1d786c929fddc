import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Database } from '../../coordinator/storage/database.ts';
import { openSqlite } from '../../coordinator/storage/sqlite.ts';
import { DroverClient } from '../../shared/sdk/drover-client.ts';
import type { Bench } from '../figure.ts';
import { startProcess, until } from './processes.ts';

export interface Coordinator {
  url: string;
  pid: number;
  databasePath: string;
  /** As the first operator, an admin. */
  client: DroverClient;
  /** Bytes of bundles that were given out, by the coordinator's own counter. */
  bundleBytesOut(): Promise<number>;
  stop(): Promise<void>;
}

/** The requests of a bench come from one address, and many at a time: the only setting that differs from the defaults. */
const ENVIRONMENT = { DROVER_COORDINATOR_LIMITS_REQUESTS_PER_MINUTE: '10000000' };

/** The built program as a process of its own on an empty data directory, or on one that `prepare` has put rows into. */
export async function startCoordinator(
  bench: Bench,
  name: string,
  options: { prepare?: (database: Database) => Promise<void>; deltaCacheBytes?: number } = {},
): Promise<Coordinator> {
  const { prepare, deltaCacheBytes } = options;
  const dataDirectory = join(bench.directory, name);
  mkdirSync(dataDirectory, { mode: 0o700 });
  const databasePath = join(dataDirectory, 'drover.db');
  if (prepare !== undefined) {
    const database = openSqlite(databasePath);
    await database.migrate();
    await prepare(database);
    await database.close();
  }
  const program = startProcess(
    bench,
    process.execPath,
    [join(bench.programs, 'drover-coordinator.js'), '--port', '0', '--data-directory', dataDirectory],
    {
      ...ENVIRONMENT,
      ...(deltaCacheBytes === undefined
        ? {}
        : { DROVER_COORDINATOR_LIMITS_DELTA_CACHE_BYTES: String(deltaCacheBytes) }),
    },
  );
  let url = '';
  await until(`the coordinator listens`, () => {
    if (program.isOver()) throw new Error(`the coordinator ended:\n${program.log()}`);
    url = /"url":"([^"]+)"/.exec(program.log())?.[1] ?? '';
    return url !== '';
  });
  const token = readFileSync(join(dataDirectory, 'first-operator-token'), 'utf8').trim();
  return {
    url,
    pid: program.pid,
    databasePath,
    client: new DroverClient({ url, token }),
    async bundleBytesOut() {
      const text = await (await fetch(`${url}/metrics`)).text();
      const line = /^drover_bundle_bytes_total\{direction="out"\} (\S+)$/m.exec(text);
      return Number(line?.[1] ?? 0);
    },
    stop: program.stop,
  };
}

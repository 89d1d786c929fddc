import { randomInt } from 'node:crypto';
import { expect } from 'chai';
import { seededRandomness } from '../support/fake-randomness.ts';
import { audit, readHistory } from '../support/herd-audit.ts';
import { deploy, idle } from '../support/herd-operator.ts';
import { RealHerd, until } from '../support/real-herd.ts';
import { killAtRandom } from './kill-loop/killer.ts';
import { deployContinuously, isExplained, registerRevisions } from './kill-loop/workload.ts';

const KILLS = Number(process.env['DROVER_TEST_KILLS'] ?? 40);
const SEED = Number(process.env['DROVER_TEST_SEED'] ?? randomInt(1, 2 ** 31));
const HOSTS = ['web-1', 'web-2', 'web-3', 'web-4'];
/** Sequence of the random numbers that a part of the test takes: what one part does must not move the others. */
const partOf = (part: number) => seededRandomness(SEED + part * 7_919);

/**
 * Real processes, killed with SIGKILL by chance (`DROVER_TEST_SEED` repeats the choice) while one deployment follows another.
 * What the history says at the end is held against what the hooks have written on their hosts.
 */
describe(`a herd whose coordinator and agents are killed ${KILLS} times (seed ${SEED})`, function () {
  this.timeout(900_000);
  // A host that is being started again is not away: only what is lost for good may fail a target.
  const timings = { offlineAfterMs: 120_000, hostLostAfterMs: 120_000, acceptTimeoutMs: 120_000 };
  const herd = new RealHerd({ timings });
  let isOk = false;

  before(async () => {
    await herd.startCoordinator();
    await registerRevisions(herd);
    await Promise.all(HOSTS.map((name) => herd.addHost(name)));
    await until('all hosts are connected', 30_000, async () => {
      const { items } = await herd.client.listHosts({ presence: 'Online' });
      return items.length === HOSTS.length;
    });
  });
  after(async () => {
    await herd.close({ keepFiles: !isOk });
    if (!isOk) console.log(`seed ${SEED}; logs, journals and the database are in ${herd.directory}`);
  });

  it('loses nothing, runs nothing twice, and tells in its history what the hosts did', async () => {
    expect((await deploy(herd, 'one', 'CodeDeployDefault.AllAtOnce', 'first')).status).to.equal('Succeeded');
    let isOver = false;
    const killing = killAtRandom(herd, partOf(1), KILLS).finally(() => {
      isOver = true;
    });
    const [kills] = await Promise.all([killing, deployContinuously(herd, partOf(2), () => isOver)]);
    await until('the coordinator is ready', 60_000, () =>
      herd.client.listHosts({}).then(
        () => true,
        () => false,
      ),
    );
    await idle(herd);
    const last = await deploy(herd, 'two', 'CodeDeployDefault.AllAtOnce', 'last');
    expect(last.overview, 'after the last kill everything is as before').to.include({ Succeeded: HOSTS.length });

    const { problems, ...counts } = await audit(herd, await readHistory(herd), isExplained);
    console.log(`      ${JSON.stringify({ kills, ...counts })}`);
    expect(problems).to.deep.equal([]);
    isOk = true;
  });
});

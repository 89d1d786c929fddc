import { randomInt } from 'node:crypto';
import { expect } from 'chai';
import type { Deployment, TargetWithEvents } from '../../shared/sdk/drover-client.ts';
import { seededRandomness } from '../support/fake-randomness.ts';
import { FaultProxy } from '../support/fault-proxy.ts';
import { audit, readHistory } from '../support/herd-audit.ts';
import { createGroup, ended, idle } from '../support/herd-operator.ts';
import { RealHerd } from '../support/real-herd.ts';
import { BAD_EXIT_CODE } from '../support/traced-hooks.ts';
import { allOnline, foreignFiles, lastGoodLabel, settled, unexplainedHosts, untoldJournals } from './faults/healing.ts';
import { type FaultyHost, inject } from './faults/injector.ts';
import { ENDS_WITHIN_MS, Operators } from './faults/operators.ts';
import { planFaults } from './faults/plan.ts';
import { brokenMinimums, brokenRollbacks, brokenStops, isUnreachable, repeatedDecisions } from './faults/promises.ts';

const SECONDS = Number(process.env['DROVER_TEST_FAULTS_SECONDS'] ?? 30);
const SEED = Number(process.env['DROVER_TEST_SEED'] ?? randomInt(1, 2 ** 31));
const HOSTS = Array.from({ length: 10 }, (_, index) => `web-${index + 1}`);
const partOf = (part: number) => seededRandomness(SEED + part * 7_919);
/**
 * Short enough that a fault of some seconds makes a host offline, and lost inside a deployment. What takes a minute is long
 * beside every fault: a host that did not accept or make progress in that time has no excuse.
 */
const TIMINGS = {
  heartbeatIntervalMs: 1_000,
  silenceLimitMs: 5_000,
  offlineAfterMs: 4_000,
  hostLostAfterMs: 8_000,
  acceptTimeoutMs: 60_000,
  eventTimeoutMs: 60_000,
  reportSlackMs: 20_000,
  deploymentTimeoutMs: 240_000,
};

/**
 * One coordinator and ten agents as real processes, between them links that fail, while operators deploy good and bad
 * revisions, stop and roll back. The faults and the operators' choices follow from one seed (`DROVER_TEST_SEED` repeats it).
 * Then the faults stop, everything has to heal, and the promises are held against what the hosts themselves have written.
 */
describe(`a herd behind failing links, ${SECONDS} s of faults (seed ${SEED})`, function () {
  this.timeout((SECONDS + 1_500) * 1_000);
  const herd = new RealHerd({ timings: TIMINGS });
  const hosts: FaultyHost[] = [];
  const operators = new Operators(herd, partOf(1), HOSTS);
  let isOk = false;

  before(async () => {
    await herd.startCoordinator();
    await createGroup(herd);
    await operators.createConfigs();
    await Promise.all(
      HOSTS.map(async (name, index) => {
        // An address of its own, so that its port is still free after nobody has listened there for a while.
        const link = await FaultProxy.listen(
          herd.port,
          `127.${80 + (process.pid % 100)}.${process.pid % 251}.${index + 1}`,
        );
        hosts.push({ host: await herd.addHost(name, { coordinatorUrl: link.url }), link });
      }),
    );
    hosts.sort((a, b) => HOSTS.indexOf(a.host.name) - HOSTS.indexOf(b.host.name));
    await allOnline(herd);
  });
  after(async () => {
    await herd.close({ keepFiles: !isOk });
    await Promise.all(hosts.map(({ link }) => link.close()));
    if (!isOk) console.log(`seed ${SEED}; logs, journals and the database are in ${herd.directory}`);
  });

  it('keeps its promises, and heals when the faults are over', async () => {
    const { operated } = operators;
    const first = await operators.create(await operators.push(), { config: 'CodeDeployDefault.AllAtOnce' });
    expect((await ended(herd, first.id)).status).to.equal('Succeeded');

    let isOver = false;
    const over = () => {
      isOver = true;
    };
    const plan = planFaults(partOf(2), SECONDS * 1_000, HOSTS.length);
    const injecting = inject(herd, hosts, plan, () => isOver).finally(over);
    const working = operators.work(() => isOver).finally(over);
    // Both have to be over, also when one of them has failed: what is restarted after the herd was closed would be left behind.
    await Promise.allSettled([injecting, working]);
    const [injected] = await Promise.all([injecting, working]);

    const healedAt = await allOnline(herd);
    await idle(herd, ENDS_WITHIN_MS);
    await settled(herd);
    const unexplained = await unexplainedHosts(herd, await readHistory(herd));

    // A revision may have become the last good one although it fails on the few hosts that its deployment could spare.
    const lastGood = await lastGoodLabel(herd);
    const good = operated.revisions.get(lastGood)?.bad === null ? lastGood : await operators.push();
    const last = await operators.create(good, { config: 'CodeDeployDefault.AllAtOnce' });
    expect((await ended(herd, last.id)).overview, 'every host can be brought to a good revision').to.include({
      Succeeded: HOSTS.length,
    });
    expect(foreignFiles(herd.hosts, good, operated.revisions)).to.deep.equal([]);

    const bad = await operators.push({ event: 'ValidateService', on: '*' });
    const broken = await ended(herd, (await operators.create(bad, { config: 'CodeDeployDefault.HalfAtATime' })).id);
    expect(broken.status).to.equal('Failed');
    const rollback = await ended(herd, broken.rollbackInfo.rollbackDeploymentId ?? '');
    expect(rollback.status).to.equal('Succeeded');
    expect(foreignFiles(herd.hosts, good, operated.revisions)).to.deep.equal([]);

    const history = await readHistory(herd);
    const isExplained = (target: TargetWithEvents, { revisionLabel }: Deployment) => {
      if (isUnreachable(target)) return (target.completedAt ?? 0) <= healedAt;
      if (target.diagnostics === null) return false;
      const { errorCode, exitCode, signal, message } = target.diagnostics;
      if (errorCode === 'ScriptFailed' && exitCode === BAD_EXIT_CODE)
        return operated.revisions.get(revisionLabel)?.bad?.event === target.lifecycleEvent;
      // Power cuts: the hook is killed, by itself or together with what would have told how it ended.
      if (errorCode === 'ScriptFailed') return signal === 'SIGKILL';
      return errorCode === 'UnknownError' && message.includes('outcome is unknown');
    };
    const { problems, ...counts } = await audit(herd, history, isExplained);
    problems.push(
      ...unexplained,
      ...(await untoldJournals(herd, history)),
      ...brokenMinimums(history),
      ...brokenRollbacks(history),
      ...brokenStops(history, operated.stops),
      ...repeatedDecisions(history),
    );
    const links = { cutConnections: 0, swallowedBytes: 0, truncatedDownloads: 0 };
    for (const { link } of hosts)
      for (const key of Object.keys(links) as (keyof typeof links)[]) links[key] += link.counts[key];
    const statuses: Record<string, number> = {};
    for (const { creator, status } of history.deployments)
      statuses[`${creator} ${status}`] = (statuses[`${creator} ${status}`] ?? 0) + 1;
    console.log(`      ${JSON.stringify(injected)}`);
    console.log(`      ${JSON.stringify({ ...links, stops: operated.stops.length, conflicts: operated.conflicts })}`);
    console.log(`      ${JSON.stringify({ ...counts, statuses })}`);
    expect(problems).to.deep.equal([]);
    isOk = true;
  });
});

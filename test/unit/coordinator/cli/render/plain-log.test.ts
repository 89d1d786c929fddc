import { expect } from 'chai';
import { foldingMarks, PlainLog } from '../../../../../coordinator/cli/render/plain-log.ts';
import { WatchModel } from '../../../../../coordinator/cli/watch/watch-model.ts';
import type { Target } from '../../../../../shared/model/target.ts';
import { aDeployment, aFailedTarget, aTarget, T0 } from '../../../../support/api-samples.ts';

const S = 1_000;

/** The lines for a deployment whose targets change one after the other. */
function logOf(model: WatchModel, changes: readonly Target[]): string[] {
  const log = new PlainLog();
  const lines = log.started(model, T0);
  for (const target of changes)
    lines.push(...log.changed(model, model.apply({ kind: 'target', sequence: 1, at: T0 + S, target })));
  return lines;
}

describe('PlainLog', () => {
  it('has a line for each change of a few hosts', () => {
    const model = new WatchModel(
      aDeployment(),
      ['api-1', 'api-2', 'api-3', 'api-4', 'api-5'].map((name) => aTarget(name)),
    );
    const lines = logOf(model, [
      aTarget('api-1', { status: 'InProgress', startedAt: T0 }),
      aTarget('api-1', { status: 'InProgress', startedAt: T0, lifecycleEvent: 'Install' }),
      aTarget('api-1', { status: 'Succeeded', startedAt: T0, completedAt: T0 + 52 * S }),
      aFailedTarget('api-2'),
    ]);
    expect(lines).to.deep.equal([
      '14:02:00Z d-8K1M2N3P4 started 1.8.4->1.9.0 web/prod 5 hosts, stops at 1 failure',
      '14:02:00Z d-8K1M2N3P4 api-1 InProgress',
      '14:02:52Z d-8K1M2N3P4 api-1 Succeeded in 52 s',
      '14:02:12Z d-8K1M2N3P4 api-2 Failed AfterInstall > scripts/migrate.sh exited 1: ERROR: relation "orders_v2" already exists',
    ]);
  });

  it('folds many hosts to a line for each tenth and each new cause', () => {
    const names = Array.from({ length: 100 }, (_, index) => `web-${index}`);
    const deployment = aDeployment({ totalHosts: 100, minimumHealthyCount: 50 });
    const model = new WatchModel(
      deployment,
      names.map((name) => aTarget(name)),
    );
    const ended = names
      .slice(0, 30)
      .map((name, index) =>
        index === 4 || index === 7
          ? aFailedTarget(name)
          : aTarget(name, { status: 'Succeeded', startedAt: T0, completedAt: T0 + S }),
      );
    expect(logOf(model, ended)).to.deep.equal([
      '14:02:00Z d-8K1M2N3P4 started 1.8.4->1.9.0 web/prod 100 hosts, stops at 50 failures',
      '14:02:01Z d-8K1M2N3P4 first failure web-4 AfterInstall > scripts/migrate.sh exited 1: ERROR: relation "orders_v2" already exists',
      '14:02:01Z d-8K1M2N3P4 10 % 8 of 100 hosts succeeded, 0 running, 2 failed (stops at 50)',
      '14:02:01Z d-8K1M2N3P4 20 % 18 of 100 hosts succeeded, 0 running, 2 failed (stops at 50)',
      '14:02:01Z d-8K1M2N3P4 30 % 28 of 100 hosts succeeded, 0 running, 2 failed (stops at 50)',
    ]);
  });

  it('tells each of several causes of the same moment, the one that is new at each', () => {
    const names = Array.from({ length: 30 }, (_, index) => `web-${index}`);
    const model = new WatchModel(
      aDeployment({ totalHosts: 30, minimumHealthyCount: 0 }),
      names.map((name) => aTarget(name)),
    );
    // Reports that are committed together have one time.
    const lost = { status: 'Failed', errorCode: 'HOST_LOST', message: 'lost for 5 min', completedAt: T0 } as const;
    const failed = { completedAt: T0 };
    const told = logOf(model, [aFailedTarget('web-0', failed), aTarget('web-1', lost)]).filter((line) =>
      /failure |cause /.test(line),
    );
    expect(told).to.have.lengthOf(2);
    expect(told[1]).to.equal('14:02:01Z d-8K1M2N3P4 another cause web-1 HOST_LOST: lost for 5 min');
  });

  it('tells that a deployment is ending, its end, a heartbeat and a loss of contact', () => {
    const model = new WatchModel(aDeployment(), [aTarget('api-1', { status: 'InProgress' }), aTarget('api-2')]);
    const log = new PlainLog();
    const ending = aDeployment({
      endingAs: 'Failed',
      errorInformation: { code: 'HEALTH_CONSTRAINTS', message: 'too many' },
    });
    const changes = model.apply({ kind: 'deployment', sequence: 9, at: T0, deployment: ending });
    expect(log.changed(model, changes)).to.deep.equal([
      '14:02:00Z d-8K1M2N3P4 ending as Failed, waiting for 0 hosts in progress HEALTH_CONSTRAINTS: too many',
    ]);
    expect(log.connection(model, T0 + 9 * S, T0)).to.equal(
      '14:02:09Z d-8K1M2N3P4 no contact since 14:02:00Z, hosts go on by themselves',
    );
    model.apply({
      kind: 'deployment',
      sequence: 9,
      at: T0,
      deployment: aDeployment({ status: 'Failed', completedAt: T0 + 60 * S }),
    });
    expect(log.ended(model, T0)).to.match(/^14:03:00Z d-8K1M2N3P4 Failed 0\/2 failed 0 in 1 min$/);
  });
});

describe('foldingMarks', () => {
  it('are those of the system, and none elsewhere', () => {
    expect(foldingMarks('github', 'title', 5)).to.deep.equal({ open: ['::group::title'], close: ['::endgroup::'] });
    expect(foldingMarks('buildkite', 'title', 5)).to.deep.equal({ open: ['--- title'], close: [] });
    expect(foldingMarks('gitlab', 'title', 5).open[0]).to.contain('section_start:5:drover');
    expect(foldingMarks(undefined, 'title', 5)).to.deep.equal({ open: [], close: [] });
  });
});

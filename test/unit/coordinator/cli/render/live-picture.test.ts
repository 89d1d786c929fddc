import { expect } from 'chai';
import fc from 'fast-check';
import { type LiveView, livePicture } from '../../../../../coordinator/cli/render/live-picture.ts';
import { makeStyle } from '../../../../../coordinator/cli/render/style.ts';
import { widthOf } from '../../../../../coordinator/cli/render/text.ts';
import { WatchModel } from '../../../../../coordinator/cli/watch/watch-model.ts';
import type { Target } from '../../../../../shared/model/target.ts';
import { aDeployment, aFailedTarget, aTarget, T0 } from '../../../../support/api-samples.ts';
import { plainStyle } from '../../../../support/cli-style.ts';

const S = 1_000;
const done = (name: string, tookMs: number) =>
  aTarget(name, { status: 'Succeeded', lifecycleEvent: 'ValidateService', startedAt: T0, completedAt: T0 + tookMs });
const running = (name: string) =>
  aTarget(name, { status: 'InProgress', lifecycleEvent: 'AfterInstall', startedAt: T0 + 102 * S });
const hosts = (total: number, make: (index: number, name: string) => Target) =>
  Array.from({ length: total }, (_, index) =>
    make(index, `web-${String(index + 1).padStart(String(total).length, '0')}`),
  );

function picture(model: WatchModel, rest: Partial<LiveView> = {}): string[] {
  const view: LiveView = {
    model,
    now: T0 + 114 * S,
    width: 80,
    height: 24,
    lostSinceAt: null,
    panel: [],
    hasKeys: true,
    ...rest,
  };
  return livePicture(view, plainStyle);
}

const fifty = () =>
  new WatchModel(
    aDeployment({ totalHosts: 50, minimumHealthyCount: 45, minimumHealthyHosts: { type: 'FLEET_PERCENT', value: 90 } }),
    hosts(50, (index, name) => {
      if (index < 17) return done(name, 18 * S);
      if (index === 17 || index === 19) return aFailedTarget(name);
      return index < 22 ? running(name) : aTarget(name);
    }),
  );

const fiveThousand = () =>
  new WatchModel(
    aDeployment({
      application: 'edge',
      totalHosts: 5_000,
      minimumHealthyCount: 4_900,
      minimumHealthyHosts: { type: 'FLEET_PERCENT', value: 98 },
    }),
    hosts(5_000, (index, name) => {
      if (index < 2_731) return done(name, 18 * S);
      if (index < 2_738) return aFailedTarget(name);
      if (index < 2_743)
        return aFailedTarget(name, {
          lifecycleEvent: 'Install',
          diagnostics: { errorCode: 'UnknownError', message: 'disk full at /opt (needs 182 MB)' },
        });
      return index < 2_831 ? running(name) : aTarget(name);
    }),
  );

describe('livePicture at 80 x 24', () => {
  it('gives each of five hosts a line', () => {
    const model = new WatchModel(aDeployment(), [
      done('api-1', 52 * S),
      done('api-2', 49 * S),
      running('api-3'),
      aTarget('api-4'),
      aTarget('api-5'),
    ]);
    expect(picture(model)).to.deep.equal([
      'd-8K1M2N3P4  1.8.4 -> 1.9.0  web/prod  floor 4 of 5             Live  1 min 54 s',
      '  api-3  InProgress  AfterInstall      12 s',
      '  api-4  Pending',
      '  api-5  Pending',
      '  out now    1 of 1 may be out: 1 running, 0 failed',
      '  failures   .  0; the 1st stops it and rolls back to 1.8.4',
      '  [#########>>>>.........]  2 of 5 done, 1 running, 0 failed, about 2-3 min left',
      '  s stop   l log   q leave (it goes on)',
    ]);
  });

  it('gives each of fifty hosts a letter, and the first failure lines of its own', () => {
    expect(picture(fifty())).to.deep.equal([
      'd-8K1M2N3P4  1.8.4 -> 1.9.0  web/prod  floor 45 of 50           Live  1 min 54 s',
      '  SSSSSSSSSSSSSSSSSXRXRR............................',
      '  running    AfterInstall 3',
      '  first failure  web-18  AfterInstall > scripts/migrate.sh  exited 1',
      '    | BEGIN',
      '    > ERROR: relation "orders_v2" already exists',
      '    | ROLLBACK',
      '  WHY',
      '     2  AfterInstall > scripts/migrate.sh exited 1: ERROR: relation ~  web-18 +1',
      '  out now    5 of 5 may be out: 3 running, 2 failed',
      '  failures   XX...  2; the 5th stops it and rolls back to 1.8.4',
      '  [#######X>...........]  19 of 50 done, 3 running, 2 failed, about 2-4 min left',
      '  s stop   l log   w why   q leave (it goes on)',
    ]);
  });

  it('tells five thousand by proportions, causes and rates', () => {
    expect(picture(fiveThousand())).to.deep.equal([
      'd-8K1M2N3P4  1.8.4 -> 1.9.0  edge/prod  floor 4,900 of 5,000    Live  1 min 54 s',
      '  running    AfterInstall 88                                        24.1 hosts/s',
      '  first failure  web-2732  AfterInstall > scripts/migrate.sh  exited 1',
      '    | BEGIN',
      '    > ERROR: relation "orders_v2" already exists',
      '    | ROLLBACK',
      '  WHY',
      '     7  AfterInstall > scripts/migrate.sh exited 1: ERROR: relatio~  web-2732 +6',
      '     5  Install disk full at /opt (needs 182 MB)                     web-2739 +4',
      '  out now    100 of 100 may be out: 88 running, 12 failed',
      '  failures   12; the 100th stops it and rolls back to 1.8.4',
      '  [#######X>...]  2,743 of 5,000 done, 88 running, 12 failed, about 6-9 min left',
      '  s stop   l log   w why   q leave (it goes on)',
    ]);
  });

  it('calls a rollback one', () => {
    const model = new WatchModel(aDeployment({ creator: 'codeDeployRollback', revisionLabel: '1.8.4' }), [
      running('api-1'),
    ]);
    expect(picture(model)[0]).to.match(/^d-8K1M2N3P4 {2}rollback to 1\.8\.4 {2}web\/prod /);
  });

  it('says since when there is no contact, and what the deployment is ending as', () => {
    const model = new WatchModel(aDeployment({ endingAs: 'Failed' }), [done('api-1', S), running('api-2')]);
    expect(picture(model)[0]).to.match(/Ending: Failed {2}1 min 54 s$/);
    expect(picture(model, { lostSinceAt: T0 + 83 * S })[0]).to.match(/no contact since 14:03:23$/);
  });

  it('makes no guess of what is left once the failure that ends it has happened', () => {
    const model = new WatchModel(aDeployment(), [
      done('a', S),
      done('b', S),
      aFailedTarget('c'),
      aTarget('d'),
      aTarget('e'),
    ]);
    expect(picture(model).join('\n')).not.to.contain(' left');
  });

  it('never fills more than the terminal, whatever its size and the fleet', () => {
    const models = [
      fifty(),
      fiveThousand(),
      new WatchModel(
        aDeployment(),
        hosts(16, (_, name) => running(name.repeat(9))),
      ),
    ];
    const styles = [plainStyle, makeStyle({ hasColour: true, isUnicode: true, utcOffset: () => 0 })];
    fc.assert(
      fc.property(
        fc.integer({ min: 20, max: 200 }),
        fc.integer({ min: 3, max: 60 }),
        fc.constantFrom(...models),
        fc.constantFrom(...styles),
        (width, height, model, style) => {
          const lines = livePicture(
            { model, now: T0 + S, width, height, lostSinceAt: null, panel: ['x'.repeat(300)], hasKeys: true },
            style,
          );
          expect(lines.length).to.be.lessThan(height);
          for (const line of lines) expect(widthOf(line)).to.be.at.most(width);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('uses ASCII alone when it is told to', () => {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: the range of ASCII
    for (const line of picture(fiveThousand())) expect(line).to.match(/^[\u0000-\u007f]*$/);
  });
});

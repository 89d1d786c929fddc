import { expect } from 'chai';
import { Output } from '../../../../../coordinator/cli/output.ts';
import { JsonPresenter } from '../../../../../coordinator/cli/watch/json-presenter.ts';
import { WatchModel } from '../../../../../coordinator/cli/watch/watch-model.ts';
import { aDeployment, aFailedTarget, aTarget, T0 } from '../../../../support/api-samples.ts';
import { plainStyle } from '../../../../support/cli-style.ts';

describe('JsonPresenter', () => {
  it('tells each cause once, also one that is known later than another and began before it', () => {
    const lines: string[] = [];
    const out = { write: (text: string) => void lines.push(text), isTty: false, columns: () => 80, rows: () => 24 };
    const output = new Output(out, out, plainStyle, { isJson: true, isQuiet: false });
    const presenter = new JsonPresenter(output, () => T0, { hasTargets: false });
    const model = new WatchModel(
      aDeployment(),
      ['a', 'b'].map((name) => aTarget(name)),
    );
    presenter.started(model);
    const lost = { status: 'Failed', errorCode: 'HOST_LOST', message: 'lost for 5 min', completedAt: T0 } as const;
    for (const target of [aFailedTarget('a', { completedAt: T0 + 5 }), aTarget('b', lost)])
      presenter.changed(model, model.apply({ kind: 'target', sequence: 1, at: T0, target }));
    const causes = lines
      .map((text) => JSON.parse(text) as { kind: string; cause?: { hostNames: string[] } })
      .filter((line) => line.kind === 'cause');
    expect(causes.map((line) => line.cause?.hostNames)).to.deep.equal([['a'], ['b']]);
  });
});

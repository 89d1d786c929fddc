import { expect } from 'chai';
import { firstFailureLines, whyLines } from '../../../../../coordinator/cli/render/cause-lines.ts';
import { deploymentLines } from '../../../../../coordinator/cli/render/deployment-lines.ts';
import { reasonOf } from '../../../../../coordinator/cli/render/history-line.ts';
import { FailureCauses } from '../../../../../coordinator/cli/watch/failure-causes.ts';
import type { Target } from '../../../../../shared/model/target.ts';
import { aDeployment, aFailedTarget, aTarget, T0 } from '../../../../support/api-samples.ts';
import { plainStyle } from '../../../../support/cli-style.ts';

const failed = (fields: Partial<Target>) => aTarget('web-1', { status: 'Failed', completedAt: T0, ...fields });
const offline = failed({ errorCode: 'HOST_OFFLINE', message: 'web-1 is offline' });
const lost = failed({ errorCode: 'HOST_LOST', lifecycleEvent: 'Install', message: 'web-1 is out of contact' });

describe('a failure without a script', () => {
  it('is named by its code wherever it is told: by that docs/operations.md says what to do', () => {
    for (const [target, code] of [
      [offline, 'HOST_OFFLINE'],
      [lost, 'HOST_LOST in Install'],
    ] as const) {
      const causes = new FailureCauses();
      causes.add(target);
      const message = target.message ?? '';
      expect(reasonOf(target)).to.equal(`${code}: ${message}`);
      expect(firstFailureLines(target, 3, 100, plainStyle)[0]).to.equal(`first failure  web-1  ${code}  ${message}`);
      expect(whyLines(causes.list, 100, plainStyle)[1]).to.equal(`  ${code}  ${message}   1 host: web-1`);
      const status = deploymentLines(aDeployment(), { rollback: null, targets: [target] }, T0, 120, plainStyle);
      expect(status.at(-1)).to.contain(`${code}: ${message}`);
    }
  });

  it('is named by its event where the code says no more', () => {
    const install = failed({
      errorCode: 'HOOK_FAILED',
      lifecycleEvent: 'Install',
      diagnostics: { errorCode: 'UnknownError', message: 'disk full', logTail: '' },
    });
    expect(reasonOf(install)).to.match(/^Install disk full/);
    expect(reasonOf(aFailedTarget('web-1'))).to.match(/^AfterInstall > scripts\/migrate\.sh exited 1: ERROR/);
  });

  it('is none of a host that was left out', () => {
    expect(reasonOf(aTarget('web-1', { status: 'Skipped', message: 'the deployment ended' }))).to.equal(
      'the deployment ended',
    );
  });
});

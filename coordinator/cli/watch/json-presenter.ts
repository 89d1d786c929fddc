import type { Deployment } from '../../../shared/model/deployment.ts';
import { type ExitName, exitCode } from '../exit-codes.ts';
import type { Output } from '../output.ts';
import type { Outcome } from '../render/verdict.ts';
import { budgetOf } from './budget.ts';
import type { Presenter } from './presenter.ts';
import type { Change, WatchModel } from './watch-model.ts';

/** One JSON document a line; the last one is `ended` with result and exit code. docs/cli.md lists the kinds. */
export class JsonPresenter implements Presenter {
  readonly #output: Output;
  readonly #hasTargets: boolean;
  readonly #now: () => number;
  #causes = 0;
  #progress = '';
  #number = 0;

  constructor(output: Output, now: () => number, options: { hasTargets: boolean }) {
    this.#output = output;
    this.#now = now;
    this.#hasTargets = options.hasTargets;
  }

  started(model: WatchModel): void {
    const { deployment } = model;
    this.#causes = 0;
    this.#progress = '';
    const { floor, endsAtFailure, willRollBackTo } = budgetOf(deployment);
    const { id: _, ...head } = headOf(deployment);
    this.#line(deployment.id, 'head', { ...head, staysInService: floor, endsAtFailure, willRollBackTo });
  }

  changed(model: WatchModel, changes: readonly Change[]): void {
    for (const change of changes) {
      if (change.kind === 'deployment') this.#decision(model, change.from, change.to);
      else if (this.#hasTargets) {
        const { target } = change;
        this.#line(
          target.deploymentId,
          'target',
          {
            host: target.hostName,
            from: change.from,
            to: target.status,
            event: target.lifecycleEvent,
            message: target.message,
            diagnostics: target.diagnostics,
          },
          change.at,
        );
      }
    }
    this.#newCauses(model);
    this.#newCounts(model);
  }

  ended(model: WatchModel): void {
    this.changed(model, []);
  }

  connection(model: WatchModel, lostSinceAt: number | null): void {
    this.#line(model.deployment.id, 'connection', { state: lostSinceAt === null ? 'back' : 'lost' });
  }

  finished({ deployment, rollback }: Outcome, exit: ExitName): void {
    this.#line(deployment.id, 'ended', {
      result: deployment.status,
      exit: exitCode(exit),
      exitName: exit,
      overview: deployment.overview,
      errorInformation: deployment.errorInformation,
      rollback:
        rollback === null ? null : { id: rollback.id, result: rollback.status, revision: rollback.revisionLabel },
    });
  }

  /** The watching ends before the deployment. */
  left(deployment: string, why: string): void {
    this.#line(deployment, 'left', { why });
  }

  close(): void {}

  #decision(model: WatchModel, from: Deployment, to: Deployment): void {
    if (from.endingAs === null && to.endingAs !== null)
      this.#line(model.deployment.id, 'decision', {
        decision: 'end',
        as: to.endingAs,
        errorInformation: to.errorInformation,
      });
    const rollbackId = to.rollbackInfo.rollbackDeploymentId;
    if (from.rollbackInfo.rollbackDeploymentId === null && rollbackId !== null)
      this.#line(model.deployment.id, 'decision', { decision: 'rollback', rollbackDeploymentId: rollbackId });
  }

  #newCauses(model: WatchModel): void {
    const { causes } = model;
    if (causes.size <= this.#causes) return;
    for (const cause of causes.inOrder.slice(this.#causes)) this.#line(model.deployment.id, 'cause', { cause });
    this.#causes = causes.size;
  }

  #newCounts(model: WatchModel): void {
    const counts = JSON.stringify(model.counts);
    if (counts === this.#progress) return;
    this.#progress = counts;
    this.#line(model.deployment.id, 'progress', { overview: model.counts });
  }

  #line(deployment: string, kind: string, fields: object, at = this.#now()): void {
    this.#number++;
    this.#output.jsonLine({ seq: this.#number, at, deployment, kind, ...fields });
  }
}

function headOf(deployment: Deployment) {
  const {
    id,
    application,
    deploymentGroup,
    revisionLabel,
    previousRevisionLabel,
    deploymentConfigName,
    totalHosts,
    creator,
  } = deployment;
  return {
    id,
    application,
    deploymentGroup,
    revisionLabel,
    previousRevisionLabel,
    deploymentConfigName,
    totalHosts,
    creator,
  };
}

import { expect } from 'chai';
import type { Deployment, TargetWithEvents } from '../../../shared/sdk/drover-client.ts';
import { brokenMinimums, brokenRollbacks, brokenStops, repeatedDecisions } from '../../e2e/faults/promises.ts';
import type { History } from '../../support/herd-audit.ts';
import { HOOKED, type HookRun } from '../../support/traced-hooks.ts';

function aDeployment(id: string, changes: Partial<Deployment> = {}): Deployment {
  const rollbackInfo = { rollbackDeploymentId: null, rollbackTriggeringDeploymentId: null, rollbackMessage: null };
  const defaults = {
    id,
    status: 'Succeeded',
    creator: 'user',
    revisionLabel: id,
    minimumHealthyCount: 0,
    rollbackInfo,
  };
  // Only what the checks read.
  return { description: id, totalHosts: 3, completedAt: 1e9, ...defaults, ...changes } as Deployment;
}

function aTarget(deploymentId: string, hostName: string, changes: Partial<TargetWithEvents> = {}): TargetWithEvents {
  return { deploymentId, hostName, status: 'Succeeded', errorCode: null, startedAt: 1, ...changes } as TargetWithEvents;
}

/** All hooks of a deployment to a host, one after another from `at` on, each of 10 ms. */
function runs(deploymentId: string, at: number, exitCode: number | null = 0, version = deploymentId): HookRun[] {
  return HOOKED.map((event, index) => ({
    deploymentId,
    event,
    version,
    beganAt: at + index * 10,
    ended: exitCode === null ? null : { at: at + index * 10 + 9, exitCode },
  }));
}

function aHistory(deployments: Deployment[], ran: Record<string, HookRun[]>): History {
  const names = Object.keys(ran);
  return {
    deployments,
    targets: deployments.flatMap(({ id }) => names.map((name) => aTarget(id, name))),
    runs: new Map(Object.entries(ran)),
  };
}

describe("the fault suite's own checks", () => {
  const first = aDeployment('d-1');

  it('find a deployment that left fewer hosts in service than its minimum', () => {
    const second = aDeployment('d-2', { minimumHealthyCount: 2 });
    const oneByOne = { a: [...runs('d-1', 0), ...runs('d-2', 100)], b: [...runs('d-1', 0), ...runs('d-2', 200)] };
    const c = runs('d-1', 0);
    expect(brokenMinimums(aHistory([first, second], { ...oneByOne, c }))).to.deep.equal([]);
    const together = { ...oneByOne, b: [...runs('d-1', 0), ...runs('d-2', 140)], c };
    const found = brokenMinimums(aHistory([first, second], together));
    expect(found).to.have.length(1);
    expect(found[0]).to.match(/^I1: d-2 .* took b out of service .* left 1 of 3; 2 must stay/);
  });

  it('count a host as down whose ValidateService failed or was killed', () => {
    const second = aDeployment('d-2', { minimumHealthyCount: 2 });
    for (const exitCode of [3, null]) {
      const ran = {
        a: [...runs('d-1', 0), ...runs('d-2', 100, exitCode)],
        b: [...runs('d-1', 0), ...runs('d-2', 200)],
        c: runs('d-1', 0),
      };
      expect(brokenMinimums(aHistory([first, second], ran))).to.have.length(1);
    }
  });

  it('let a host that is down already be started, and one that enters', () => {
    const second = aDeployment('d-2', { minimumHealthyCount: 3 });
    const healed = { a: [...runs('d-1', 0, 3), ...runs('d-2', 100)], b: runs('d-1', 0), c: runs('d-1', 0) };
    expect(brokenMinimums(aHistory([first, second], healed))).to.deep.equal([]);
    const entering = aDeployment('d-2', { minimumHealthyCount: 3, creator: 'autoscaling' });
    const brought = { a: [...runs('d-1', 0), ...runs('d-2', 100)], b: runs('d-1', 0), c: runs('d-1', 0) };
    expect(brokenMinimums(aHistory([first, entering], brought))).to.deep.equal([]);
    expect(brokenMinimums(aHistory([first, second], brought))).to.have.length(1);
  });

  it('find a host that a successful rollback left on another revision', () => {
    const rollbackInfo = { rollbackDeploymentId: null, rollbackTriggeringDeploymentId: 'd-2', rollbackMessage: null };
    const rollback = aDeployment('d-3', { creator: 'codeDeployRollback', revisionLabel: 'd-1', rollbackInfo });
    const history = aHistory([first, aDeployment('d-2', { status: 'Failed' }), rollback], {
      a: [...runs('d-1', 0), ...runs('d-2', 100, 3), ...runs('d-3', 200, 0, 'd-1')],
      b: [...runs('d-1', 0), ...runs('d-2', 100, 0)],
    });
    expect(brokenRollbacks(history)).to.deep.equal(['I5: d-3 brought back d-1, but b ran d-2']);
    const unreachable = history.targets.find((target) => target.deploymentId === 'd-3' && target.hostName === 'b');
    Object.assign(unreachable ?? {}, { status: 'Failed', errorCode: 'HOST_OFFLINE' });
    expect(brokenRollbacks(history)).to.deep.equal([]);
  });

  it('find a host that was started after the stop was acknowledged', () => {
    const history = { deployments: [first], runs: new Map(), targets: [aTarget('d-1', 'a', { startedAt: 500 })] };
    expect(brokenStops(history, [{ deploymentId: 'd-1', acknowledgedAt: 500 }])).to.deep.equal([]);
    expect(brokenStops(history, [{ deploymentId: 'd-1', acknowledgedAt: 499 }])).to.have.length(1);
  });

  it('find a request or a failure that was answered twice', () => {
    const rollbackOf = (id: string, triggering: string) =>
      aDeployment(id, {
        creator: 'codeDeployRollback',
        rollbackInfo: { rollbackDeploymentId: null, rollbackTriggeringDeploymentId: triggering, rollbackMessage: null },
      });
    const failed = aDeployment('d-1', {
      rollbackInfo: { rollbackDeploymentId: 'd-2', rollbackTriggeringDeploymentId: null, rollbackMessage: null },
    });
    const found = (deployments: Deployment[]) => repeatedDecisions(aHistory(deployments, {}));
    expect(found([failed, rollbackOf('d-2', 'd-1')])).to.deep.equal([]);
    expect(found([failed, rollbackOf('d-2', 'd-1'), rollbackOf('d-3', 'd-1')])).to.have.length(2);
    expect(found([failed, aDeployment('d-4', { description: 'd-1' })])).to.have.length(1);
  });
});

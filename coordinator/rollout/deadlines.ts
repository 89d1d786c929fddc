import { unreachable } from '../../shared/core/invariant.ts';
import type { Decision } from './decision.ts';
import type { OverdueTarget, RolloutView } from './view.ts';

/** What becomes of targets in progress whose time is over. Deadlines use the coordinator's clock alone. */
export function overdueDecisions(view: RolloutView): Decision[] {
  return view.overdue.map((target) => overdueDecision(target, view));
}

function overdueDecision(target: OverdueTarget, view: RolloutView): Decision {
  const { cause, targetId, hostName } = target;
  const failed = { kind: 'fail-target', targetId, from: 'InProgress', wasHealthy: target.wasHealthy } as const;
  switch (cause.kind) {
    case 'lost':
      return {
        ...failed,
        errorCode: 'HOST_LOST',
        message:
          `${hostName} is out of contact since ${new Date(cause.awaySince).toISOString()}, longer than ` +
          `${Math.round(view.settings.hostLostAfterMs / 1000)} s. What it did since is reported when it is back.`,
      };
    case 'not-accepted':
      return {
        ...failed,
        errorCode: 'NOT_ACCEPTED',
        message:
          `${hostName} is connected but did not accept the deployment within ` +
          `${Math.round(view.settings.acceptTimeoutMs / 1000)} s. Check the agent's log on the host.`,
      };
    case 'no-progress':
      return {
        ...failed,
        errorCode: 'EVENT_TIMEOUT',
        message: `${hostName} reported nothing about ${cause.lifecycleEvent ?? 'the deployment'} in the time given to it.`,
      };
    default:
      return unreachable(cause);
  }
}

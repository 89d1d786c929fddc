import type { ErrorInformation } from '../../shared/model/deployment.ts';
import { MAX_FRAME_BYTES } from '../../shared/protocol/messages.ts';
import type { RolloutView } from './view.ts';

/** Clients search for this sentence. Source: AWS CodeDeploy, ErrorInformation HEALTH_CONSTRAINTS. */
const TOO_MANY_FAILED =
  'The overall deployment failed because too many individual instances failed deployment, too few healthy instances are ' +
  'available for deployment, or some instances in your deployment group are experiencing problems.';

export function healthConstraints(view: RolloutView): ErrorInformation {
  return { code: 'HEALTH_CONSTRAINTS', message: `${TOO_MANY_FAILED} ${figures(view)}` };
}

export function healthConstraintsInvalid(view: RolloutView): ErrorInformation {
  const { totalHosts, minimumHealthyCount } = view.deployment;
  return {
    code: 'HEALTH_CONSTRAINTS_INVALID',
    message:
      `The minimum of ${minimumHealthyCount} healthy hosts can never be met while one of ${totalHosts} is deployed to: ` +
      'no host was touched. Use a deployment config with a smaller minimum.',
  };
}

/** No host could receive it. The code is the one of deployments that can never begin: clients of before know no other. */
export function assignmentTooLarge({ deployment }: RolloutView): ErrorInformation {
  return {
    code: 'HEALTH_CONSTRAINTS_INVALID',
    message:
      `What a host would be sent has about ${deployment.assignmentBytes} bytes, of which ${MAX_FRAME_BYTES} are the most that it takes: ` +
      "no host was touched. Make the variables of the group's hooks (hookEnvironment) fewer or shorter.",
  };
}

export function noInstances(): ErrorInformation {
  return {
    code: 'NO_INSTANCES',
    message:
      'The deployment failed because no instances were found for your deployment group. Check that hosts are enrolled and ' +
      "that the group's tag filters, host names or scaling groups select them.",
  };
}

export function manualStop(by: string): ErrorInformation {
  return { code: 'MANUAL_STOP', message: `The deployment was stopped by ${by}.` };
}

export function timeout(): ErrorInformation {
  return { code: 'TIMEOUT', message: 'The deployment did not end in its time.' };
}

function figures({ deployment, counts, offlineInService }: RolloutView): string {
  const offline = offlineInService.count > 0 ? `, ${offlineInService.count} in service went offline` : '';
  const forgotten = deployment.forgottenHosts > 0 ? `, ${deployment.forgottenHosts} in service were forgotten` : '';
  return (
    `${counts.failed} of ${deployment.totalHosts} hosts failed${offline}${forgotten}; ` +
    `${deployment.minimumHealthyCount} must stay healthy.`
  );
}

import type { Role } from '../../../shared/model/operator.ts';
import type { Caller } from '../../auth/caller.ts';
import { mayCall } from '../../auth/permissions.ts';
import { encodeOutput } from './encode.ts';
import type { AwsJsonService } from './endpoint.ts';
import { AwsException } from './exceptions.ts';
import { isOperation, type OperationName } from './model.ts';
import { applicationOperations } from './operations/applications.ts';
import { deploymentConfigOperations } from './operations/deployment-configs.ts';
import { deploymentGroupOperations } from './operations/deployment-groups.ts';
import { deploymentOperations } from './operations/deployments.ts';
import { notServedOperations } from './operations/not-served.ts';
import { onPremisesOperations } from './operations/on-premises.ts';
import type { AwsServices, Context, Operation, Operations } from './operations/operation.ts';
import { revisionOperations } from './operations/revisions.ts';
import { tagOperations } from './operations/tags.ts';
import { targetOperations } from './operations/targets.ts';
import { createArns } from './translate/arns.ts';
import { validateInput } from './validate.ts';

const OPERATIONS: Operations = {
  ...applicationOperations,
  ...revisionOperations,
  ...deploymentConfigOperations,
  ...deploymentGroupOperations,
  ...deploymentOperations,
  ...targetOperations,
  ...onPremisesOperations,
  ...tagOperations,
  ...notServedOperations,
};

/** The role that each operation needs. */
export const OPERATION_ROLES: Readonly<Record<OperationName, Role>> = Object.fromEntries(
  Object.entries(OPERATIONS).map(([name, { role }]) => [name, role]),
  // Its keys are those of the table above.
) as Record<OperationName, Role>;

/** CodeDeploy's public API of 2014-10-06: decode, call the service that the native API calls, encode. */
export function createCodeDeployService(
  parts: AwsServices & { names: { region: string; accountId: string } },
): AwsJsonService {
  const { names, ...services } = parts;
  const arns = createArns(names);
  return {
    targetPrefixes: ['CodeDeploy_20141006'],
    signingNames: ['codedeploy'],
    hasOperation: isOperation,
    async call({ operation: name, body, caller, signal }) {
      if (!isOperation(name)) throw new AwsException('UnknownOperationException', `there is no operation ${name}`);
      // The table's types tie each input to its operation; here they are all the same.
      const operation = OPERATIONS[name] as unknown as { role: Operation<'GetApplication'>['role']; run: Run };
      checkPermission(operation.role, caller, name);
      const output = await operation.run(validateInput(name, body), { ...services, caller, signal, arns });
      return encodeOutput(name, output);
    },
  };
}

type Run = (input: Record<string, unknown>, context: Context) => Promise<unknown>;

function checkPermission(role: Parameters<typeof mayCall>[0], caller: Caller, operation: string): void {
  const permission = mayCall(role, caller);
  if (!permission.allowed)
    throw new AwsException(
      'AccessDeniedException',
      `not allowed to perform codedeploy:${operation}: ${permission.message}`,
    );
}

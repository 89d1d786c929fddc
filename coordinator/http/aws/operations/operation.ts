import type { Role } from '../../../../shared/model/operator.ts';
import type { Caller } from '../../../auth/caller.ts';
import type { Applications } from '../../../services/applications.ts';
import type { DeploymentConfigs } from '../../../services/deployment-configs.ts';
import type { DeploymentGroups } from '../../../services/deployment-groups.ts';
import type { DeploymentHistory } from '../../../services/deployment-history.ts';
import type { Deployments } from '../../../services/deployments.ts';
import type { OnPremisesInstances } from '../../../services/on-premises-instances.ts';
import type { ResourceTags } from '../../../services/resource-tags.ts';
import type { RevisionLocations } from '../../../services/revision-locations.ts';
import type { Input, OperationName, Output } from '../model.ts';
import type { Arns } from '../translate/arns.ts';

/** What operations are translated to: the same services as the native API's. */
export interface AwsServices {
  applications: Applications;
  deploymentConfigs: DeploymentConfigs;
  deploymentGroups: DeploymentGroups;
  deploymentHistory: DeploymentHistory;
  deployments: Deployments;
  onPremisesInstances: OnPremisesInstances;
  resourceTags: ResourceTags;
  revisionLocations: RevisionLocations;
}

export interface Context extends AwsServices {
  caller: Caller;
  /** Aborts when the caller goes away. */
  signal: AbortSignal;
  arns: Arns;
}

export interface Operation<Name extends OperationName> {
  /** The role that the same thing needs in the native API. */
  role: Role;
  run(input: Input<Name>, context: Context): Promise<Output<Name>>;
}

/** One for every operation of the model: one that nobody handles does not compile. */
export type Operations = { [Name in OperationName]: Operation<Name> };
export type OperationsOf<Names extends OperationName> = Pick<Operations, Names>;

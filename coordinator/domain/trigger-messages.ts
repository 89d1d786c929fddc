import type { Deployment, DeploymentStatus } from '../../shared/model/deployment.ts';
import type { LifecycleEvent } from '../../shared/model/lifecycle-event.ts';
import type { TargetStatus } from '../../shared/model/target.ts';
import { instanceArn } from './arns.ts';

/** What AWS's tools want in every name. */
export interface AwsNames {
  region: string;
  accountId: string;
}

/** A deployment at the moment of an event of its own. */
export type DeploymentFacts = Pick<
  Deployment,
  | 'id'
  | 'application'
  | 'deploymentGroup'
  | 'status'
  | 'createdAt'
  | 'completedAt'
  | 'overview'
  | 'errorInformation'
  | 'rollbackInfo'
>;

/** A host's part at the moment of an event of its own. */
export interface InstanceFacts {
  deploymentId: string;
  hostName: string;
  /** `Ready`: of blue/green deployments. */
  status: TargetStatus | 'Ready';
  /** When it came to be so. */
  updatedAt: number;
  lifecycleEvents: readonly Pick<LifecycleEvent, 'name' | 'status' | 'startedAt' | 'endedAt'>[];
}

export interface MessageText {
  subject: string;
  body: string;
}

/** Source: Amazon SNS API Reference, Publish: a subject has less than 100 characters. */
const MAX_SUBJECT = 99;

/** As CodeDeploy's messages spell them, which is not how its API does. */
const DEPLOYMENT_STATUS: Readonly<Record<DeploymentStatus, string>> = {
  Created: 'CREATED',
  Queued: 'QUEUED',
  InProgress: 'IN_PROGRESS',
  Baking: 'BAKING',
  Succeeded: 'SUCCEEDED',
  Failed: 'FAILED',
  Stopped: 'ABORTED',
  Ready: 'READY',
};
const INSTANCE_STATUS: Readonly<Record<InstanceFacts['status'], string>> = {
  Pending: 'PENDING',
  InProgress: 'IN_PROGRESS',
  Succeeded: 'SUCCEEDED',
  Failed: 'FAILED',
  Skipped: 'SKIPPED',
  Ready: 'READY',
};

/**
 * What a deployment's trigger says. Source: AWS CodeDeploy User Guide, "JSON data formats for CodeDeploy triggers", for the
 * members; that their values are texts even where they hold an object, and how status and time are written, is what CodeDeploy
 * sends, and what its receivers therefore parse.
 */
export function deploymentMessage(names: AwsNames, triggerName: string, facts: DeploymentFacts): MessageText {
  const status = DEPLOYMENT_STATUS[facts.status];
  const error = facts.errorInformation;
  const { Succeeded, Failed, Skipped, InProgress, Pending } = facts.overview;
  return {
    subject: subjectOf(`${status}: AWS CodeDeploy ${facts.id} in ${names.region} to ${facts.application}`),
    body: JSON.stringify({
      region: names.region,
      accountId: names.accountId,
      eventTriggerName: triggerName,
      applicationName: facts.application,
      deploymentId: facts.id,
      deploymentGroupName: facts.deploymentGroup,
      createTime: timeText(facts.createdAt),
      completeTime: timeText(facts.completedAt),
      ...(facts.completedAt === null
        ? {}
        : { deploymentOverview: JSON.stringify({ Succeeded, Failed, Skipped, InProgress, Pending }) }),
      status,
      ...(error === null
        ? {}
        : { errorInformation: JSON.stringify({ ErrorCode: error.code, ErrorMessage: error.message }) }),
      ...rollbackMember(facts),
    }),
  };
}

/** A failure that is no rollback has it as well, and empty. */
function rollbackMember(facts: DeploymentFacts): { rollbackInformation?: string } {
  const rollsBack = facts.rollbackInfo.rollbackTriggeringDeploymentId;
  if (rollsBack !== null)
    return {
      rollbackInformation: JSON.stringify({
        RollbackMessage: `Deployment ${facts.id} is triggered to roll back deployment ${rollsBack}.`,
        RollbackTriggeringDeploymentId: rollsBack,
      }),
    };
  return facts.errorInformation === null ? {} : { rollbackInformation: '{}' };
}

/** What an instance's trigger says: the members as documented, their values in the manner of a deployment's. */
export function instanceMessage(names: AwsNames, triggerName: string, facts: InstanceFacts): MessageText {
  const status = INSTANCE_STATUS[facts.status];
  return {
    subject: subjectOf(`${status}: AWS CodeDeploy ${facts.deploymentId} in ${names.region} to ${facts.hostName}`),
    body: JSON.stringify({
      region: names.region,
      accountId: names.accountId,
      eventTriggerName: triggerName,
      deploymentId: facts.deploymentId,
      instanceId: instanceArn(names, facts.hostName),
      lastUpdatedAt: timeText(facts.updatedAt),
      instanceStatus: status,
      lifecycleEvents: JSON.stringify(
        facts.lifecycleEvents.map((event) => ({
          LifecycleEvent: event.name,
          LifecycleEventStatus: event.status,
          StartTime: timeText(event.startedAt),
          EndTime: timeText(event.endedAt),
        })),
      ),
    }),
  };
}

function subjectOf(text: string): string {
  return text.length <= MAX_SUBJECT ? text : `${text.slice(0, MAX_SUBJECT - 3)}...`;
}

const WEEKDAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** `Thu Oct 13 15:50:45 UTC 2022`. By hand, since a host's message has sixteen and a fleet has thousands of hosts. */
function timeText(at: number): string;
function timeText(at: number | null): string | null;
function timeText(at: number | null): string | null {
  if (at === null) return null;
  const date = new Date(at);
  const day = `${WEEKDAYS[date.getUTCDay()]} ${MONTHS[date.getUTCMonth()]} ${two(date.getUTCDate())}`;
  const time = `${two(date.getUTCHours())}:${two(date.getUTCMinutes())}:${two(date.getUTCSeconds())}`;
  return `${day} ${time} UTC ${date.getUTCFullYear()}`;
}

function two(value: number): string {
  return value < 10 ? `0${value}` : String(value);
}

import type { Assignment } from '../../shared/protocol/messages.ts';

export interface HookEnvironmentInput {
  assignment: Assignment;
  event: string;
  /** The host's own variables, from its configuration. */
  hostVariables: Readonly<Record<string, string>>;
  /** `env` of the hook's entry in the AppSpec. */
  scriptVariables: Readonly<Record<string, string>>;
  user: { name: string; home: string };
}

const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/**
 * The whole environment of a hook. The agent's own is left out on purpose: it differs between a shell, systemd and a
 * container, and would hand the agent's secrets to every script. The nearer to the script, the stronger; what says which deployment this is cannot be
 * replaced. For a script of the installed revision (ApplicationStop) they still describe the deployment that runs.
 * Source of the first five: CodeDeploy agent, hook_executor.rb. BUNDLE_VERSION and BUNDLE_ETAG have here what they have
 * for S3: a name of this version and a name of its content.
 */
export function hookEnvironment(input: HookEnvironmentInput): Record<string, string> {
  const { assignment, user } = input;
  return {
    PATH,
    LANG: 'C.UTF-8',
    HOME: user.home,
    USER: user.name,
    LOGNAME: user.name,
    ...input.hostVariables,
    ...assignment.hookEnvironment,
    ...input.scriptVariables,
    LIFECYCLE_EVENT: input.event,
    DEPLOYMENT_ID: assignment.deploymentId,
    APPLICATION_NAME: assignment.application,
    DEPLOYMENT_GROUP_NAME: assignment.deploymentGroupName,
    DEPLOYMENT_GROUP_ID: assignment.deploymentGroupId,
    BUNDLE_VERSION: assignment.revision.label,
    BUNDLE_ETAG: assignment.revision.digest,
    DROVER_REVISION: assignment.revision.label,
    DROVER_REVISION_DIGEST: assignment.revision.digest,
  };
}

import { AppError, type ErrorCode } from '../../../shared/core/errors.ts';

/** An answer that is an error: the name that clients switch on, and a sentence. */
export class AwsException extends Error {
  readonly exception: string;
  readonly status: number;
  constructor(exception: string, message: string, status = 400) {
    super(message);
    this.name = 'AwsException';
    this.exception = exception;
    this.status = status;
  }
}

/** What a failure is about, as its `details.noun` says, in the words of CodeDeploy's exceptions. */
const ABOUT: Readonly<Record<string, { missing: string; exists?: string }>> = {
  application: { missing: 'ApplicationDoesNotExistException', exists: 'ApplicationAlreadyExistsException' },
  'deployment-group': {
    missing: 'DeploymentGroupDoesNotExistException',
    exists: 'DeploymentGroupAlreadyExistsException',
  },
  'deployment-config': {
    missing: 'DeploymentConfigDoesNotExistException',
    exists: 'DeploymentConfigAlreadyExistsException',
  },
  deployment: { missing: 'DeploymentDoesNotExistException' },
  revision: { missing: 'RevisionDoesNotExistException' },
  host: { missing: 'InstanceNotRegisteredException', exists: 'InstanceNameAlreadyRegisteredException' },
  target: { missing: 'DeploymentTargetDoesNotExistException' },
};

/** Refusals whose reason (`details.reason`) has a name of its own in CodeDeploy. */
const REASONS: Readonly<Record<string, string>> = {
  active_deployment: 'DeploymentLimitExceededException',
  nothing_to_do: 'InvalidUpdateOutdatedInstancesOnlyValueException',
  deployment_ended: 'DeploymentAlreadyCompletedException',
  config_in_use: 'DeploymentConfigInUseException',
  config_predefined: 'InvalidOperationException',
  too_many_tags: 'TagLimitExceededException',
  iam_user_arn_taken: 'IamUserArnAlreadyRegisteredException',
  iam_session_arn_taken: 'IamSessionArnAlreadyRegisteredException',
};

/** What is left when neither noun nor reason says more. Source: CodeDeploy API Reference, "Common errors". */
const OTHERS: Readonly<Record<ErrorCode, { exception: string; status: number }>> = {
  invalid: { exception: 'ValidationException', status: 400 },
  not_found: { exception: 'ValidationException', status: 400 },
  conflict: { exception: 'InvalidOperationException', status: 400 },
  too_large: { exception: 'ValidationException', status: 400 },
  unauthorized: { exception: 'MissingAuthenticationTokenException', status: 400 },
  forbidden: { exception: 'AccessDeniedException', status: 400 },
  rate_limited: { exception: 'ThrottlingException', status: 400 },
  not_implemented: { exception: 'OperationNotSupportedException', status: 400 },
  unavailable: { exception: 'ServiceUnavailable', status: 503 },
  internal: { exception: 'InternalFailure', status: 500 },
};

/** A failure of the services in CodeDeploy's words: the one table from codes to exceptions. */
export function toAwsException(error: AppError): AwsException {
  const { noun, reason } = error.details;
  const message = error.code === 'internal' ? 'the coordinator failed to answer this request' : withHint(error);
  const { exception, status } = OTHERS[error.code];
  const byReason = typeof reason === 'string' ? REASONS[reason] : undefined;
  if (byReason !== undefined) return new AwsException(byReason, message);
  const about = typeof noun === 'string' ? ABOUT[noun] : undefined;
  if (about !== undefined && error.code === 'not_found') return new AwsException(about.missing, message);
  if (about?.exists !== undefined && error.code === 'conflict' && reason === 'exists')
    return new AwsException(about.exists, message);
  return new AwsException(exception, message, status);
}

/**
 * Runs a translation; what the services refuse as invalid gets the name that it has there, and so does a source that cannot be reached. A
 * failure of the coordinator's own store stays one: what was asked for may be right, and clients try it again.
 */
export async function refusedAs<Result>(exception: string, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (
      error instanceof AppError &&
      (error.code === 'invalid' || error.code === 'too_large' || error.code === 'unavailable') &&
      error.details['reason'] !== 'revision_store_failed'
    )
      throw new AwsException(exception, withHint(error));
    throw error;
  }
}

/** Clients of AWS show the message alone: what can be done has to be in it. But not where they parse it. */
function withHint(error: AppError): string {
  if (error.hint === undefined || error.details['reason'] === 'active_deployment') return error.message;
  return `${error.message}${/[.!?]$/.test(error.message) ? '' : '.'} ${error.hint}`;
}

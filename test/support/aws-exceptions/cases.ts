import type { OPERATIONS, OperationName } from '../../../coordinator/http/aws/model.ts';
import type { ExceptionWorld } from './world.ts';

export const ROLE = 'arn:aws:iam::123456789012:role/codedeploy';
export const USER_ARN = 'arn:aws:iam::123456789012:user/on-premises';
export const SESSION_ARN = 'arn:aws:sts::123456789012:assumed-role/on-premises/session';

export type Body = Readonly<Record<string, unknown>>;
/** A request's body, or how it is made of what is there. */
export type Send = Body | ((world: ExceptionWorld) => Body | Promise<Body>);

/** A request that an operation answers with an exception. */
export interface Provoked {
  /** Reads after "<operation> answers <exception> for". */
  when: string;
  send: Send;
  /** To a coordinator that has had as many requests of this key as it takes in a minute. */
  isThrottled?: true;
}
/** Why no account with the compute platform Server alone meets this exception here. */
export interface Unreachable {
  never: string;
}
export type ExceptionCase = Provoked | Unreachable;

type ExceptionOf<Name extends OperationName> = (typeof OPERATIONS)[Name]['errors'][number];
/** One for every exception that the model has for an operation: one that is left out does not compile. */
export type CasesOf<Names extends OperationName> = {
  readonly [Name in Names]: { readonly [Exception in ExceptionOf<Name>]: ExceptionCase };
};

export const never = (why: string): Unreachable => ({ never: why });

/** The request of `base`, with some members changed. */
export function changed(when: string, base: Send, change: Send): Provoked {
  return {
    when,
    send: async (world) => ({ ...(await bodyOf(base, world)), ...(await bodyOf(change, world)) }),
  };
}

export function without(member: string, base: Send): Provoked {
  return changed(`a request without ${member}`, base, { [member]: undefined });
}

export async function bodyOf(send: Send, world: ExceptionWorld): Promise<Body> {
  return typeof send === 'function' ? send(world) : send;
}

/** The three of an operation that is about an application. */
export function applicationCases(base: Send) {
  return {
    ApplicationNameRequiredException: without('applicationName', base),
    InvalidApplicationNameException: changed('an applicationName with a space', base, { applicationName: 'a b' }),
    ApplicationDoesNotExistException: changed('an application that is not there', base, {
      applicationName: 'no-such',
    }),
  };
}

/** The three of an operation that is about a deployment. */
export function deploymentCases(base: Send) {
  return {
    DeploymentIdRequiredException: without('deploymentId', base),
    InvalidDeploymentIdException: changed('a deploymentId of another form', base, { deploymentId: 'd-1' }),
    DeploymentDoesNotExistException: changed('a deployment that is not there', base, { deploymentId: 'd-000000000' }),
  };
}

export const times = <Item>(count: number, item: Item): Item[] => Array.from({ length: count }, () => item);

export const NO_LIMIT = never('Drover sets no such limit');
export const NO_ROLE_IS_ASSUMED = never('the role is kept and given back; nothing assumes it');
export const FOR_LAMBDA_AND_ECS = never('for Lambda and ECS, which are refused when they are created');

import type { AppError } from '../../../shared/core/errors.ts';
import type { Contact, HostCommand } from '../../services/command-hosts/command.ts';
import type { CommandHosts } from '../../services/command-hosts/command-hosts.ts';
import type { AwsCall, AwsJsonService } from '../aws/endpoint.ts';
import { AwsException } from '../aws/exceptions.ts';
import type { EnvelopeSigner } from './envelope.ts';
import { isNoop, type Operation, requests, toDiagnostics } from './requests.ts';
import { deploymentIdOf, specificationText, toExecutionId } from './specification.ts';

interface Parts {
  commandHosts: CommandHosts;
  envelopeSigner: EnvelopeSigner;
  clock: { now(): number };
}

/** The first is the agent's usual service, the second the one it uses with `enable_auth_policy`. */
const PREFIXES = ['CodeDeployCommandService_v20141006', 'CodeDeployCommandService'];
const SIGNING_NAMES = ['codedeploy-commands', 'codedeploy-commands-secure'];
/** Signatures carry whole seconds: less than that is no difference of clocks. */
const CLOCK_GRAIN_MS = 2_000;
/** The exact name that the agent compares with. */
const DEPLOYMENT_SYSTEM = 'CodeDeploy';

/** The service that AWS's agents ask for their commands. It translates: what a command means is `services/command-hosts`. */
export function createCommandService({ commandHosts, envelopeSigner, clock }: Parts): AwsJsonService {
  const operations: { [Name in Operation]: (call: AwsCall, contact: Contact) => Promise<object> } = {
    async PollHostCommand(call, contact) {
      const { HostIdentifier } = parse('PollHostCommand', call.body);
      await checkIdentifier(contact, HostIdentifier);
      envelopeSigner.prepare();
      const command = await commandHosts.poll(contact, call.signal);
      return command === null ? {} : { HostCommand: encodeCommand(command) };
    },
    async GetDeploymentSpecification(call, contact) {
      const { HostIdentifier, DeploymentExecutionId } = parse('GetDeploymentSpecification', call.body);
      await checkIdentifier(contact, HostIdentifier);
      const assignment = await commandHosts.assignmentOf(contact, deploymentIdOf(DeploymentExecutionId));
      const Payload = await envelopeSigner.sign(specificationText(assignment));
      return {
        DeploymentSystem: DEPLOYMENT_SYSTEM,
        DeploymentSpecification: { GenericEnvelope: { Format: 'PKCS7/JSON', Payload } },
      };
    },
    async PutHostCommandAcknowledgement(call, contact) {
      const { HostCommandIdentifier, Diagnostics } = parse('PutHostCommandAcknowledgement', call.body);
      return { CommandStatus: await commandHosts.acknowledge(contact, HostCommandIdentifier, isNoop(Diagnostics)) };
    },
    async PutHostCommandComplete(call, contact) {
      const { HostCommandIdentifier, CommandStatus, Diagnostics } = parse('PutHostCommandComplete', call.body);
      const said = toDiagnostics(Diagnostics);
      await commandHosts.complete(contact, HostCommandIdentifier, { status: CommandStatus, ...said });
      return {};
    },
    async PostHostCommandUpdate(call, contact) {
      const { HostCommandIdentifier } = parse('PostHostCommandUpdate', call.body);
      return { CommandStatus: await commandHosts.statusOf(contact, HostCommandIdentifier) };
    },
  };

  /** A host asks for itself alone. */
  async function checkIdentifier(contact: Contact, identifier: string): Promise<void> {
    const own = await commandHosts.iamArnOf(contact);
    if (identifier === own) return;
    throw new AwsException(
      'AccessDeniedException',
      `the access key belongs to ${own}, and HostIdentifier is ${identifier.slice(0, 256)}`,
    );
  }

  return {
    targetPrefixes: PREFIXES,
    signingNames: SIGNING_NAMES,
    hasOperation: (name) => Object.hasOwn(operations, name),
    // The endpoint has asked whether there is such an operation.
    call: async (call) => JSON.stringify(await operations[call.operation as Operation](call, contactOf(call))),
    toException,
  };

  function contactOf({ caller, signedAt, header }: AwsCall): Contact {
    if (caller.kind !== 'host')
      throw new AwsException(
        'AccessDeniedException',
        'this needs the access key of a host: drover hosts register-codedeploy-agent',
      );
    const offsetMs = signedAt - clock.now();
    return {
      hostId: caller.hostId,
      agentVersion: header('x-amz-codedeploy-agent-version') ?? 'UNKNOWN_VERSION',
      clockOffsetMs: Math.abs(offsetMs) < CLOCK_GRAIN_MS ? 0 : offsetMs,
    };
  }
}

function encodeCommand({ id, iamArn, deploymentId, event, nonce }: HostCommand): object {
  return {
    HostCommandIdentifier: id,
    HostIdentifier: iamArn,
    DeploymentExecutionId: toExecutionId(deploymentId),
    CommandName: event,
    Nonce: nonce,
  };
}

function parse<Name extends Operation>(name: Name, body: unknown): ReturnType<(typeof requests)[Name]['parse']> {
  const parsed = requests[name].safeParse(body);
  // The schema of the name given, which the compiler does not see through the index.
  if (parsed.success) return parsed.data as ReturnType<(typeof requests)[Name]['parse']>;
  const issue = parsed.error.issues[0];
  throw new AwsException('ClientException', `${issue?.path.map(String).join('.') || 'body'}: ${issue?.message}`);
}

/** Modelled: ClientException and ServerException. The others are what the service is known to answer. */
function toException(error: AppError): AwsException {
  switch (error.code) {
    case 'not_found':
      return new AwsException('DeploymentNotFoundException', error.message);
    case 'forbidden':
      return new AwsException('AccessDeniedException', error.message);
    case 'rate_limited':
      return new AwsException('ThrottlingException', 'Rate exceeded');
    case 'unavailable':
      return new AwsException('ServerException', error.message, 503);
    case 'internal':
      return new AwsException('ServerException', 'the coordinator failed to answer this request', 500);
    default:
      return new AwsException('ClientException', error.message);
  }
}

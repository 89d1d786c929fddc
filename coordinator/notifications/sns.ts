import { SignatureV4 } from '@smithy/signature-v4';
import type { Clock } from '../../shared/core/clock.ts';
import { parseTriggerTarget } from '../../shared/model/trigger.ts';
import { failureOf, post } from './http-post.ts';
import { NodeSha256 } from './node-sha256.ts';
import { type Notifier, refused, type SendOutcome } from './notifier.ts';

export interface SnsParts {
  clock: Pick<Clock, 'now'>;
  /** Where to publish; null: AWS itself, in the topic's region. */
  endpoint: string | null;
  accessKeyId: string;
  secretAccessKey: string;
  userAgent: string;
}

const API_VERSION = '2010-03-31';

/**
 * Publishes to topics by SNS's own API: the Query protocol, signed with SigV4 by the library that AWS's SDK signs with. One
 * call is one attempt: repeating is the caller's business, which an SDK's client would do as well, and unseen.
 */
export function createSnsNotifier(parts: SnsParts): Notifier {
  return {
    async send(message, signal) {
      const topic = parseTriggerTarget(message.target);
      if (topic?.kind !== 'sns') return refused('the target is no SNS topic');
      const url = new URL(parts.endpoint ?? awsEndpoint(message.target, topic.region));
      const body = new URLSearchParams({
        Action: 'Publish',
        Version: API_VERSION,
        TopicArn: message.target,
        Subject: message.subject,
        Message: message.body,
        // Subscribers see it as an attribute: the same in every attempt.
        'MessageAttributes.entry.1.Name': 'drover.message-id',
        'MessageAttributes.entry.1.Value.DataType': 'String',
        'MessageAttributes.entry.1.Value.StringValue': message.id,
        // In order within a deployment, and repeats are dropped by SNS itself.
        ...(topic.isFifo ? { MessageGroupId: message.deploymentId, MessageDeduplicationId: message.id } : {}),
      }).toString();
      const headers = await signed(parts, topic.region, url, body);
      const answer = await post(url, { headers, body, signal });
      return 'kind' in answer ? answer : outcomeOf(answer);
    },
  };
}

/** Where AWS itself publishes to a topic. Source: AWS General Reference, "Amazon SNS endpoints and quotas". */
export function awsEndpoint(topicArn: string, region: string): string {
  return `https://sns.${region}.amazonaws.com${topicArn.startsWith('arn:aws-cn:') ? '.cn' : ''}/`;
}

async function signed(parts: SnsParts, region: string, url: URL, body: string): Promise<Record<string, string>> {
  const { accessKeyId, secretAccessKey } = parts;
  const signer = new SignatureV4({
    service: 'sns',
    region,
    credentials: { accessKeyId, secretAccessKey },
    sha256: NodeSha256,
  });
  const request = {
    method: 'POST',
    protocol: url.protocol,
    hostname: url.hostname,
    path: url.pathname,
    query: {},
    headers: {
      host: url.host,
      'content-type': 'application/x-www-form-urlencoded; charset=utf-8',
      'user-agent': parts.userAgent,
    },
    body,
  };
  const { headers } = await signer.sign(request, { signingDate: new Date(parts.clock.now()) });
  return headers;
}

/** Errors are XML with a code; that of a throttled publisher has the status of a message that is wrong. */
function outcomeOf(answer: { status: number; text: string; retryAfterMs: number | null }): SendOutcome {
  if (answer.status === 200) return { kind: 'delivered' };
  const [code = '', message = ''] = ['Code', 'Message'].map(
    (name) => new RegExp(`<${name}>([^<]{1,256})`).exec(answer.text)?.[1] ?? '',
  );
  const told = [code, message].filter((part) => part !== '').join(': ');
  const isThrottled = /Thrott|RequestLimit/.test(code);
  return failureOf(isThrottled ? { ...answer, status: 429 } : answer, told);
}

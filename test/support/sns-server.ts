import { checkClaim, readClaim } from '../../coordinator/auth/sigv4.ts';
import type { AccessKeyPair } from './signed-requests.ts';
import {
  type Answering,
  answerWith,
  type ReceivedRequest,
  startReceiver,
  type TestReceiver,
} from './webhook-receiver.ts';

export interface Published {
  topic: string;
  subject: string;
  message: string;
  /** Of the message's attributes, those that are texts. */
  attributes: Record<string, string>;
  groupId: string | null;
  deduplicationId: string | null;
}

export interface TestSns extends TestReceiver {
  /** What was published, in order. */
  readonly published: readonly Published[];
}

/**
 * A server that speaks as much of SNS's Query protocol as publishing needs: it verifies the signature, knows its topics, and
 * answers errors as SNS does.
 */
export async function startSns(key: AccessKeyPair, topics: readonly string[]): Promise<TestSns> {
  const published: Published[] = [];
  const receiver = await startReceiver();
  const answering: Answering = (request, response) => {
    const refusal = refusalOf(request, key);
    const form = new URLSearchParams(request.body);
    const topic = form.get('TopicArn') ?? '';
    if (refusal !== null) answerWith(403, errorXml('SignatureDoesNotMatch', refusal))(request, response);
    else if (form.get('Action') !== 'Publish' || form.get('Version') !== '2010-03-31')
      answerWith(400, errorXml('InvalidAction', 'no such action'))(request, response);
    else if (!topics.includes(topic)) answerWith(404, errorXml('NotFound', 'Topic does not exist'))(request, response);
    else {
      published.push(publishedOf(form));
      const id = `<MessageId>m-${published.length}</MessageId>`;
      answerWith(200, `<PublishResponse><PublishResult>${id}</PublishResult></PublishResponse>`)(request, response);
    }
  };
  receiver.answering = answering;
  return Object.assign(receiver, { published });
}

/** Null when the request is signed by this key, for this service, over this very body. */
function refusalOf(request: ReceivedRequest, key: AccessKeyPair): string | null {
  const [path = '', query = ''] = request.path.split('?');
  const signed = {
    method: request.method,
    path,
    query,
    headers: Object.entries(request.headers).map(([name, value]) => [name, String(value)] as const),
    body: Buffer.from(request.body, 'utf8'),
  };
  const read = readClaim(signed);
  if (!read.ok) return read.failure.message;
  if (read.claim.accessKeyId !== key.accessKeyId) return 'The security token included in the request is invalid';
  const checked = checkClaim(read.claim, signed, {
    secretAccessKey: key.secretAccessKey,
    now: Date.now(),
    services: ['sns'],
  });
  return checked.ok ? null : checked.failure.message;
}

function publishedOf(form: URLSearchParams): Published {
  const attributes: Record<string, string> = {};
  for (let at = 1; form.has(`MessageAttributes.entry.${at}.Name`); at++)
    attributes[form.get(`MessageAttributes.entry.${at}.Name`) ?? ''] =
      form.get(`MessageAttributes.entry.${at}.Value.StringValue`) ?? '';
  return {
    topic: form.get('TopicArn') ?? '',
    subject: form.get('Subject') ?? '',
    message: form.get('Message') ?? '',
    attributes,
    groupId: form.get('MessageGroupId'),
    deduplicationId: form.get('MessageDeduplicationId'),
  };
}

function errorXml(code: string, message: string): string {
  return `<ErrorResponse><Error><Type>Sender</Type><Code>${code}</Code><Message>${message}</Message></Error></ErrorResponse>`;
}

import { expect } from 'chai';
import { awsEndpoint } from '../../../../coordinator/notifications/sns.ts';
import { webhookSecret } from '../../../../coordinator/notifications/webhook.ts';
import { parseTriggerTarget } from '../../../../shared/model/trigger.ts';

describe('where a trigger goes', () => {
  it('tells topics from webhooks, and both from what is neither', () => {
    const kindOf = (target: string) => parseTriggerTarget(target)?.kind ?? null;
    for (const target of ['arn:aws:sns:eu-west-1:123456789012:a-b_c', 'arn:aws-cn:sns:cn-north-1:123456789012:t.fifo'])
      expect(kindOf(target), target).to.equal('sns');
    for (const target of ['https://chat.example/x?y=z', 'http://127.0.0.1:8090/'])
      expect(kindOf(target), target).to.equal('webhook');
    for (const target of [
      'arn:aws:sqs:eu-west-1:123456789012:queue',
      'arn:aws:sns:eu-west-1:123456789012:topic:subscription',
      'https://user@chat.example/',
      'ftp://chat.example/',
      'chat.example',
      '',
    ])
      expect(kindOf(target), target).to.equal(null);
  });

  it('finds AWS’s own endpoint in the topic’s region and partition', () => {
    expect(awsEndpoint('arn:aws:sns:eu-west-1:1:t', 'eu-west-1')).to.equal('https://sns.eu-west-1.amazonaws.com/');
    expect(awsEndpoint('arn:aws-us-gov:sns:us-gov-west-1:1:t', 'us-gov-west-1')).to.equal(
      'https://sns.us-gov-west-1.amazonaws.com/',
    );
    expect(awsEndpoint('arn:aws-cn:sns:cn-north-1:1:t', 'cn-north-1')).to.equal(
      'https://sns.cn-north-1.amazonaws.com.cn/',
    );
  });

  it('reads a signing secret as Standard Webhooks writes it, and any other text as it is', () => {
    expect(Buffer.from(webhookSecret('whsec_aGVsbG8=')).toString()).to.equal('hello');
    expect(Buffer.from(webhookSecret('hello')).toString()).to.equal('hello');
  });
});

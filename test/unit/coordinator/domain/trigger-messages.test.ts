import { expect } from 'chai';
import { deploymentMessage, instanceMessage } from '../../../../coordinator/domain/trigger-messages.ts';
import type { Deployment } from '../../../../shared/model/deployment.ts';
import { aDeployment } from '../../../support/api-samples.ts';

const NAMES = { region: 'eu-west-2', accountId: '123456789012' };
const CREATED_AT = Date.UTC(2022, 9, 7, 15, 50, 45);
const ENDED_AT = Date.UTC(2022, 9, 7, 15, 59, 37);

function ofDeployment(fields: Partial<Deployment>): { subject: string; message: unknown } {
  const deployment = aDeployment({ createdAt: CREATED_AT, ...fields });
  const { subject, body } = deploymentMessage(NAMES, 'ops', deployment);
  return { subject, message: JSON.parse(body) };
}

const COMMON = {
  region: 'eu-west-2',
  accountId: '123456789012',
  eventTriggerName: 'ops',
  applicationName: 'web',
  deploymentId: 'd-8K1M2N3P4',
  deploymentGroupName: 'prod',
  createTime: 'Fri Oct 07 15:50:45 UTC 2022',
};
const ROLLBACK = { rollbackDeploymentId: null, rollbackTriggeringDeploymentId: 'd-BADBADBAD', rollbackMessage: null };

describe('the message of a trigger', () => {
  it('tells that a deployment was created', () => {
    expect(ofDeployment({ status: 'Created' })).to.deep.equal({
      subject: 'CREATED: AWS CodeDeploy d-8K1M2N3P4 in eu-west-2 to web',
      message: { ...COMMON, completeTime: null, status: 'CREATED' },
    });
  });

  it('tells that a deployment succeeded, with the counts as a text of JSON', () => {
    const overview = { Pending: 0, InProgress: 0, Succeeded: 4, Failed: 1, Skipped: 0 };
    expect(ofDeployment({ status: 'Succeeded', completedAt: ENDED_AT, overview })).to.deep.equal({
      subject: 'SUCCEEDED: AWS CodeDeploy d-8K1M2N3P4 in eu-west-2 to web',
      message: {
        ...COMMON,
        completeTime: 'Fri Oct 07 15:59:37 UTC 2022',
        deploymentOverview: '{"Succeeded":4,"Failed":1,"Skipped":0,"InProgress":0,"Pending":0}',
        status: 'SUCCEEDED',
      },
    });
  });

  it('tells that a deployment failed, and why', () => {
    const failed = ofDeployment({
      status: 'Failed',
      completedAt: ENDED_AT,
      overview: { Pending: 0, InProgress: 0, Succeeded: 0, Failed: 2, Skipped: 3 },
      errorInformation: { code: 'HEALTH_CONSTRAINTS', message: 'too many "hosts" failed' },
    });
    expect(failed).to.deep.equal({
      subject: 'FAILED: AWS CodeDeploy d-8K1M2N3P4 in eu-west-2 to web',
      message: {
        ...COMMON,
        completeTime: 'Fri Oct 07 15:59:37 UTC 2022',
        deploymentOverview: '{"Succeeded":0,"Failed":2,"Skipped":3,"InProgress":0,"Pending":0}',
        status: 'FAILED',
        errorInformation: '{"ErrorCode":"HEALTH_CONSTRAINTS","ErrorMessage":"too many \\"hosts\\" failed"}',
        rollbackInformation: '{}',
      },
    });
  });

  it('calls a stopped deployment aborted, as CodeDeploy does', () => {
    const stopped = ofDeployment({
      status: 'Stopped',
      completedAt: ENDED_AT,
      errorInformation: { code: 'MANUAL_STOP', message: 'stopped by ana' },
    });
    expect(stopped.subject).to.equal('ABORTED: AWS CodeDeploy d-8K1M2N3P4 in eu-west-2 to web');
    expect(stopped.message).to.deep.include({
      status: 'ABORTED',
      errorInformation: '{"ErrorCode":"MANUAL_STOP","ErrorMessage":"stopped by ana"}',
    });
  });

  it('tells that a rollback is under way, and of what', () => {
    expect(ofDeployment({ status: 'InProgress', rollbackInfo: ROLLBACK })).to.deep.equal({
      subject: 'IN_PROGRESS: AWS CodeDeploy d-8K1M2N3P4 in eu-west-2 to web',
      message: {
        ...COMMON,
        completeTime: null,
        status: 'IN_PROGRESS',
        rollbackInformation:
          '{"RollbackMessage":"Deployment d-8K1M2N3P4 is triggered to roll back deployment d-BADBADBAD.",' +
          '"RollbackTriggeringDeploymentId":"d-BADBADBAD"}',
      },
    });
  });

  it('tells that a deployment is ready for its traffic', () => {
    expect(ofDeployment({ status: 'Ready' })).to.deep.equal({
      subject: 'READY: AWS CodeDeploy d-8K1M2N3P4 in eu-west-2 to web',
      message: { ...COMMON, completeTime: null, status: 'READY' },
    });
  });

  for (const [status, text] of [
    ['InProgress', 'IN_PROGRESS'],
    ['Succeeded', 'SUCCEEDED'],
    ['Failed', 'FAILED'],
    ['Ready', 'READY'],
  ] as const)
    it(`tells that a host is ${status}, with its lifecycle events as a text of JSON`, () => {
      const { subject, body } = instanceMessage(NAMES, 'ops', {
        deploymentId: 'd-8K1M2N3P4',
        hostName: 'web-1',
        status,
        updatedAt: ENDED_AT,
        lifecycleEvents: [
          { name: 'ApplicationStop', status: 'Succeeded', startedAt: CREATED_AT, endedAt: CREATED_AT + 1_999 },
          { name: 'DownloadBundle', status: 'Pending', startedAt: null, endedAt: null },
        ],
      });
      expect(subject).to.equal(`${text}: AWS CodeDeploy d-8K1M2N3P4 in eu-west-2 to web-1`);
      expect(JSON.parse(body)).to.deep.equal({
        region: 'eu-west-2',
        accountId: '123456789012',
        eventTriggerName: 'ops',
        deploymentId: 'd-8K1M2N3P4',
        instanceId: 'arn:aws:codedeploy:eu-west-2:123456789012:instance:web-1',
        lastUpdatedAt: 'Fri Oct 07 15:59:37 UTC 2022',
        instanceStatus: text,
        lifecycleEvents:
          '[{"LifecycleEvent":"ApplicationStop","LifecycleEventStatus":"Succeeded",' +
          '"StartTime":"Fri Oct 07 15:50:45 UTC 2022","EndTime":"Fri Oct 07 15:50:46 UTC 2022"},' +
          '{"LifecycleEvent":"DownloadBundle","LifecycleEventStatus":"Pending","StartTime":null,"EndTime":null}]',
      });
    });

  it('keeps a subject below the hundred characters that SNS takes', () => {
    const { subject } = ofDeployment({ status: 'Created', application: 'a'.repeat(100) });
    expect(subject).to.have.length(99);
    expect(subject).to.match(/^CREATED: AWS CodeDeploy d-8K1M2N3P4 in eu-west-2 to a+\.\.\.$/);
  });
});

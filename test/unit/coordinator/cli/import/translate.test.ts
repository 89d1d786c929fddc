import type { DeploymentGroupInfo } from '@aws-sdk/client-codedeploy';
import { expect } from 'chai';
import { locationName, wantedRevision } from '../../../../../coordinator/cli/import/revisions.ts';
import {
  configProblem,
  differencesOf,
  translateApplication,
  translateConfig,
  translateGroup,
} from '../../../../../coordinator/cli/import/translate.ts';
import { aGroup } from '../../../../support/api-samples.ts';

function aGroupInfo(fields: Partial<DeploymentGroupInfo> = {}): DeploymentGroupInfo {
  return {
    applicationName: 'web',
    deploymentGroupName: 'prod',
    deploymentConfigName: 'CodeDeployDefault.OneAtATime',
    serviceRoleArn: 'arn:aws:iam::123456789012:role/codedeploy',
    computePlatform: 'Server',
    deploymentStyle: { deploymentType: 'IN_PLACE', deploymentOption: 'WITHOUT_TRAFFIC_CONTROL' },
    outdatedInstancesStrategy: 'UPDATE',
    ...fields,
  };
}

/** `ok`, and then the codes of losses and notes; `cannot`, and then those of the reasons. */
function told(translated: ReturnType<typeof translateGroup>): string[] {
  if (!translated.ok) return ['cannot', ...translated.reasons.map((one) => one.code)];
  return ['ok', ...translated.losses.map((one) => `loses ${one.code}`), ...translated.notes.map((one) => one.code)];
}

describe('the import from CodeDeploy', () => {
  it('carries a group over with its tags, config, rollback and triggers', () => {
    const translated = translateGroup(
      aGroupInfo({
        onPremisesInstanceTagFilters: [
          { Key: 'role', Value: 'web', Type: 'KEY_AND_VALUE' },
          { Key: 'x', Type: 'KEY_ONLY' },
        ],
        autoRollbackConfiguration: { enabled: true, events: ['DEPLOYMENT_FAILURE', 'DEPLOYMENT_STOP_ON_ALARM'] },
        triggerConfigurations: [
          {
            triggerName: 't',
            triggerTargetArn: 'arn:aws:sns:eu-west-1:123456789012:x',
            triggerEvents: ['DeploymentStop'],
          },
        ],
      }),
    );
    expect(told(translated)).to.deep.equal(['ok', 'triggers']);
    if (translated.ok)
      expect(translated.wanted).to.deep.equal({
        application: 'web',
        name: 'prod',
        selection: {
          tagFilters: [
            { type: 'KEY_AND_VALUE', key: 'role', value: 'web' },
            { type: 'KEY_ONLY', key: 'x' },
          ],
          tagSet: [],
          hostNames: [],
          scalingGroups: [],
        },
        deploymentConfigName: 'CodeDeployDefault.OneAtATime',
        autoRollback: { enabled: true, events: ['DEPLOYMENT_FAILURE'] },
        outdatedInstancesStrategy: 'UPDATE',
        hookEnvironment: {},
        triggers: [{ name: 't', target: 'arn:aws:sns:eu-west-1:123456789012:x', events: ['DeploymentStop'] }],
        transientUnits: false,
      });
  });

  it('keeps both tag sets, either of which selects a host', () => {
    const translated = translateGroup(
      aGroupInfo({
        ec2TagSet: { ec2TagSetList: [[{ Key: 'a', Type: 'KEY_ONLY' }], [{ Value: 'v', Type: 'VALUE_ONLY' }]] },
        onPremisesTagSet: { onPremisesTagSetList: [[{ Key: 'b', Value: '1', Type: 'KEY_AND_VALUE' }]] },
      }),
    );
    expect(told(translated)).to.deep.equal(['ok', 'ec2-tags']);
    expect(translated.ok && translated.wanted.selection).to.deep.include({
      tagSet: [[{ type: 'KEY_ONLY', key: 'a' }], [{ type: 'VALUE_ONLY', value: 'v' }]],
      alternativeTagSets: [[[{ type: 'KEY_AND_VALUE', key: 'b', value: '1' }]]],
    });
  });

  it('turns a rollback that only alarms start into none', () => {
    const translated = translateGroup(
      aGroupInfo({ autoRollbackConfiguration: { enabled: true, events: ['DEPLOYMENT_STOP_ON_ALARM'] } }),
    );
    expect(translated.ok && translated.wanted.autoRollback).to.deep.equal({ enabled: false, events: [] });
  });

  for (const [what, info, outcome] of [
    [
      'a load balancer',
      {
        deploymentStyle: { deploymentOption: 'WITH_TRAFFIC_CONTROL' },
        loadBalancerInfo: { targetGroupInfoList: [{ name: 'tg' }] },
      },
      ['ok', 'loses load-balancer'],
    ],
    ['a load balancer that is named and not used', { loadBalancerInfo: { elbInfoList: [{ name: 'lb' }] } }, ['ok']],
    ['alarms', { alarmConfiguration: { enabled: true, alarms: [{ name: 'errors' }] } }, ['ok', 'loses alarms']],
    ['alarms that are off', { alarmConfiguration: { enabled: false, alarms: [{ name: 'errors' }] } }, ['ok']],
    ['a termination hook', { terminationHookEnabled: true }, ['ok', 'loses termination-hook']],
    ['EC2 tags', { ec2TagFilters: [{ Key: 'Name', Value: 'web', Type: 'KEY_AND_VALUE' }] }, ['ok', 'ec2-tags']],
    ['Auto Scaling groups', { autoScalingGroups: [{ name: 'asg', hook: 'h' }] }, ['ok', 'scaling-groups']],
    ['blue/green', { deploymentStyle: { deploymentType: 'BLUE_GREEN' } }, ['cannot', 'blue-green']],
    ['ECS', { computePlatform: 'ECS' }, ['cannot', 'compute-platform']],
    ['a name that would be read wrongly here', { deploymentGroupName: '_prod' }, ['cannot', 'settings']],
  ] as [string, Partial<DeploymentGroupInfo>, string[]][])
    it(`says of a group with ${what} what becomes of it`, () => {
      expect(told(translateGroup(aGroupInfo(info)))).to.deep.equal(outcome);
    });

  it('takes applications of servers only', () => {
    expect(translateApplication({ applicationName: 'web', computePlatform: 'Server' }).ok).to.equal(true);
    const lambda = translateApplication({ applicationName: 'fn', computePlatform: 'Lambda' });
    expect(lambda).to.have.nested.property('reasons[0].code', 'compute-platform');
    expect(translateApplication({ applicationName: '.web' })).to.have.nested.property('reasons[0].code', 'name');
  });

  it('takes configs without zones', () => {
    const minimumHealthyHosts = { type: 'HOST_COUNT', value: 3 } as const;
    expect(translateConfig({ deploymentConfigName: 'three', minimumHealthyHosts })).to.deep.include({
      ok: true,
      wanted: { name: 'three', minimum: { type: 'HOST_COUNT', value: 3 } },
    });
    const zonal = translateConfig({ deploymentConfigName: 'z', minimumHealthyHosts, zonalConfig: {} });
    expect(zonal).to.have.nested.property('reasons[0].code', 'zones');
  });

  it('knows which configs a group can use here', () => {
    const carried = new Set(['mine']);
    for (const name of ['mine', 'CodeDeployDefault.HalfAtATime'])
      expect(configProblem(name, carried), name).to.equal(null);
    for (const name of ['other', 'CodeDeployDefault.ECSAllAtOnce'])
      expect(configProblem(name, carried)).to.have.property('code', 'deployment-config');
  });

  it('sees no difference in the order of filters and events, and every other one', () => {
    const translated = translateGroup(
      aGroupInfo({
        onPremisesInstanceTagFilters: [
          { Key: 'b', Type: 'KEY_ONLY' },
          { Key: 'a', Type: 'KEY_ONLY' },
        ],
        autoRollbackConfiguration: { enabled: true, events: ['DEPLOYMENT_STOP_ON_REQUEST', 'DEPLOYMENT_FAILURE'] },
      }),
    );
    if (!translated.ok) throw new Error('it is carried over');
    const here = aGroup({
      ...translated.wanted,
      selection: {
        tagFilters: [
          { key: 'a', type: 'KEY_ONLY' },
          { key: 'b', type: 'KEY_ONLY' },
        ],
        tagSet: [],
        hostNames: [],
        scalingGroups: [],
      },
      autoRollback: { enabled: true, events: ['DEPLOYMENT_FAILURE', 'DEPLOYMENT_STOP_ON_REQUEST'] },
    });
    expect(differencesOf(here, translated.wanted)).to.deep.equal([]);
    const other = { ...here, deploymentConfigName: 'careful', triggers: [] };
    expect(differencesOf(other, translated.wanted)).to.deep.equal([
      {
        code: 'deploymentConfigName',
        text: 'deploymentConfigName is careful here, CodeDeployDefault.OneAtATime there',
      },
    ]);
  });

  it('gives a bundle in S3 a label that a second run knows again, and another one to what took its place', () => {
    const at = (eTag: string) =>
      wantedRevision('web', {
        revisionType: 'S3',
        s3Location: { bucket: 'b', key: 'builds/web-1.2.zip', bundleType: 'zip', eTag },
      });
    const [first, again, other] = [at('1'), at('1'), at('2')];
    expect(first).to.deep.equal(again);
    expect(first)
      .to.have.property('label')
      .that.matches(/^web-1\.2-[0-9a-f]{8}$/);
    expect(other)
      .to.have.property('label')
      .that.does.not.equal((first as { label: string }).label);
    expect(first).to.include({
      name: 's3://b/builds/web-1.2.zip',
      description: 'Imported from s3://b/builds/web-1.2.zip',
    });
  });

  it('has GitHub’s archive of a commit fetched, and no revision of functions', () => {
    const commitId = '0123456789abcdef0123456789abcdef01234567';
    const gitHub = { revisionType: 'GitHub', gitHubLocation: { repository: 'acme/web', commitId } } as const;
    expect(wantedRevision('web', gitHub)).to.deep.include({
      name: 'github.com/acme/web@0123456789ab',
      bundleType: 'tgz',
      from: { kind: 'url', url: `https://api.github.com/repos/acme/web/tarball/${commitId}` },
    });
    const content = { revisionType: 'AppSpecContent', appSpecContent: { content: '' } } as const;
    expect(wantedRevision('web', content)).to.have.property('code', 'revision-type');
    expect(locationName(content)).to.equal('a revision of type AppSpecContent');
    const yaml = { revisionType: 'S3', s3Location: { bucket: 'b', key: 'k', bundleType: 'YAML' } } as const;
    expect(wantedRevision('web', yaml)).to.have.property('code', 'bundle-type');
  });
});

import type { DeploymentGroupInfo, RevisionLocation } from '@aws-sdk/client-codedeploy';
import { expect } from 'chai';
import { CommandFailure } from '../../../../../coordinator/cli/exit-codes.ts';
import type { CodeDeploySource } from '../../../../../coordinator/cli/import/codedeploy-source.ts';
import { remark } from '../../../../../coordinator/cli/import/import-item.ts';
import { type PlanOptions, planImport } from '../../../../../coordinator/cli/import/plan.ts';
import type { S3Bundles } from '../../../../../coordinator/cli/import/s3-bundles.ts';
import { importLines } from '../../../../../coordinator/cli/render/import-lines.ts';
import type { DroverClient } from '../../../../../shared/sdk/drover-client.ts';
import { plainStyle } from '../../../../support/cli-style.ts';

const ALARMED: DeploymentGroupInfo = {
  applicationName: 'web',
  deploymentGroupName: 'prod',
  deploymentConfigName: 'CodeDeployDefault.OneAtATime',
  outdatedInstancesStrategy: 'UPDATE',
  alarmConfiguration: { enabled: true, alarms: [{ name: 'errors' }] },
};
const bundle = (key: string): RevisionLocation => ({
  revisionType: 'S3',
  s3Location: { bucket: 'b', key, bundleType: 'zip', version: '1' },
});

/** An account with an application `web`, a function, and this group. */
function aSource(changes: Partial<CodeDeploySource> = {}): CodeDeploySource {
  return {
    applications: async () => [
      { applicationName: 'fn', computePlatform: 'Lambda' },
      { applicationName: 'web', computePlatform: 'Server' },
    ],
    groups: async () => [ALARMED],
    configNames: async () => [],
    config: async () => ({}),
    revisions: async () => [],
    instances: async () => [],
    close() {},
    ...changes,
  };
}

/** A coordinator that has nothing. */
const EMPTY = { async *all() {} } as unknown as DroverClient;

async function plan(source: CodeDeploySource, options: Partial<PlanOptions> = {}, bundles: Partial<S3Bundles> = {}) {
  const items = await planImport({
    source,
    bundles: { look: async () => ({ sizeBytes: 1 }), fetch: async () => {}, close() {}, ...bundles },
    client: EMPTY,
    options: { applications: undefined, revisions: 'deployed', isPartial: false, ...options },
  });
  return items.map(({ kind, name, state, reasons, notes }) => ({ kind, name, state, reasons, notes }));
}
const told = (items: Awaited<ReturnType<typeof plan>>) =>
  items.map((item) => [item.state, item.name, ...[...item.reasons, ...item.notes].map((one) => one.code)].join(' '));

describe('the plan of an import', () => {
  it('does not create a group that would count on what nobody does', async () => {
    expect(told(await plan(aSource()))).to.deep.equal([
      'cannot fn compute-platform',
      'create web',
      'cannot web/prod alarms',
    ]);
  });

  it('creates it without that when it may be partial, and says so', async () => {
    const items = await plan(aSource(), { isPartial: true });
    expect(told(items).at(-1)).to.equal('create web/prod alarms');
    expect(items.at(-1)?.notes[0]?.text).to.equal('no deployment is stopped by the alarms errors');
  });

  it('does not create a group whose config cannot be carried over', async () => {
    const source = aSource({
      configNames: async () => ['zonal'],
      config: async () => ({ deploymentConfigName: 'zonal', zonalConfig: {} }),
      groups: async () => [{ ...ALARMED, alarmConfiguration: { enabled: false }, deploymentConfigName: 'zonal' }],
    });
    expect(told(await plan(source))).to.deep.equal([
      'cannot zonal zones',
      'cannot fn compute-platform',
      'create web',
      'cannot web/prod deployment-config',
    ]);
  });

  it('looks at each bundle once, and tells those that are gone', async () => {
    const looked: string[] = [];
    const group = (name: string, key: string) => ({
      ...ALARMED,
      alarmConfiguration: { enabled: false },
      deploymentGroupName: name,
      targetRevision: bundle(key),
    });
    const source = aSource({ groups: async () => [group('a', 'x.zip'), group('b', 'x.zip'), group('c', 'gone.zip')] });
    const items = await plan(
      source,
      {},
      {
        async look({ key }) {
          looked.push(key);
          return key === 'gone.zip' ? remark('gone', 'it is gone') : { sizeBytes: 1 };
        },
      },
    );
    expect(looked).to.deep.equal(['x.zip', 'gone.zip']);
    expect(told(items).slice(-2)).to.deep.equal([
      'create web s3://b/x.zip?versionId=1',
      'cannot web s3://b/gone.zip?versionId=1 gone',
    ]);
  });

  it('goes on without what may not be read, and ends at any other failure', async () => {
    const refuse = (exit: 'not-permitted' | 'unreachable') => async () => {
      throw new CommandFailure(exit, 'codedeploy:ListDeploymentGroups: AccessDeniedException');
    };
    expect(told(await plan(aSource({ groups: refuse('not-permitted') })))).to.include('cannot web/* not-permitted');
    const failure = await plan(aSource({ groups: refuse('unreachable') })).catch((error: unknown) => error);
    expect(failure).to.have.property('exit', 'unreachable');
  });

  it('is told on a terminal with totals', async () => {
    const lines = importLines(await plan(aSource()), 100, plainStyle);
    expect(lines.at(-1)).to.equal('1 to create, 2 cannot.');
    expect(lines.join('\n')).to.match(
      /cannot +deployment group +web\/prod +no deployment is stopped by the alarms errors/,
    );
  });
});

import { expect } from 'chai';
import { hookEnvironment } from '../../../../agent/hooks/environment.ts';
import { anAssignment } from '../../../support/agent-process.ts';

const bundle = { digest: 'a'.repeat(64), bytes: new Uint8Array(), bundleType: 'tgz' as const };
const user = { name: 'app', home: '/home/app' };

describe('hookEnvironment', () => {
  it('123. has the CodeDeploy variables, the revision, and the user', () => {
    const assignment = anAssignment(bundle);
    const input = { assignment, event: 'AfterInstall', hostVariables: {}, scriptVariables: {}, user };
    expect(hookEnvironment(input)).to.deep.equal({
      PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      LANG: 'C.UTF-8',
      HOME: '/home/app',
      USER: 'app',
      LOGNAME: 'app',
      LIFECYCLE_EVENT: 'AfterInstall',
      DEPLOYMENT_ID: assignment.deploymentId,
      APPLICATION_NAME: 'web',
      DEPLOYMENT_GROUP_NAME: 'prod',
      DEPLOYMENT_GROUP_ID: 'group-1',
      BUNDLE_VERSION: assignment.revision.label,
      BUNDLE_ETAG: bundle.digest,
      DROVER_REVISION: assignment.revision.label,
      DROVER_REVISION_DIGEST: bundle.digest,
    });
  });

  it('lets the script win over the group, the group over the host, and nobody over what identifies the deployment', () => {
    const assignment = anAssignment(bundle, { hookEnvironment: { A: 'group', B: 'group', DEPLOYMENT_ID: 'lie' } });
    const environment = hookEnvironment({
      assignment,
      event: 'AfterInstall',
      hostVariables: { A: 'host', B: 'host', C: 'host', PATH: '/opt/bin' },
      scriptVariables: { A: 'script', LIFECYCLE_EVENT: 'lie' },
      user,
    });
    expect(environment).to.include({
      A: 'script',
      B: 'group',
      C: 'host',
      PATH: '/opt/bin',
      LIFECYCLE_EVENT: 'AfterInstall',
      DEPLOYMENT_ID: assignment.deploymentId,
    });
  });
});

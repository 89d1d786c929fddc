import { expect } from 'chai';
import { nextHook, plan, planEvent, timeoutOf, type UnpackedRevision } from '../../../../agent/deployment/plan.ts';
import type { AppSpec, HookScript } from '../../../../shared/appspec/appspec.ts';
import { LIFECYCLE_EVENTS } from '../../../../shared/model/lifecycle-event.ts';
import { anAssignment } from '../../../support/agent-process.ts';

const assignment = anAssignment({ digest: 'a'.repeat(64), bytes: new Uint8Array(), bundleType: 'tgz' });
const script = (location: string, timeoutSeconds = 10): HookScript => ({
  location,
  timeoutSeconds,
  runas: null,
  sudo: false,
  args: [],
  env: {},
  limits: null,
  line: 1,
});

function aRevision(label: string, hooks: Record<string, HookScript[]>): UnpackedRevision {
  const appSpec: AppSpec = {
    os: 'linux',
    files: [],
    fileExistsBehavior: null,
    permissions: [],
    hooks: new Map(Object.entries(hooks)),
    release: null,
  };
  return { revisionLabel: label, archiveRoot: `/archives/${label}`, appSpec };
}
const everywhere = (label: string) =>
  aRevision(label, Object.fromEntries(LIFECYCLE_EVENTS.map((event) => [event, [script(`${label}.sh`)]])));

describe('plan', () => {
  it('114. takes the scripts that stop from the installed revision and all others from the new one', () => {
    const steps = plan({ assignment, installed: everywhere('old'), downloaded: everywhere('new') });
    expect(
      steps.map((step) => `${step.event} ${step.kind} ${step.kind === 'run-hook' ? step.source.revisionLabel : ''}`),
    ).to.deep.equal([
      'ApplicationStop run-hook old',
      'DownloadBundle download-bundle ',
      'BeforeInstall run-hook new',
      'Install install ',
      'AfterInstall run-hook new',
      'ApplicationStart run-hook new',
      'ValidateService run-hook new',
    ]);
    for (const event of ['BeforeBlockTraffic', 'AfterBlockTraffic'])
      expect(planEvent({ assignment, installed: everywhere('old'), downloaded: null }, event)).to.deep.include({
        kind: 'run-hook',
        source: { revision: 'installed', revisionLabel: 'old', archiveRoot: '/archives/old' },
      });
  });

  it('115. 116. takes the same scripts in a rollback as in any other deployment', () => {
    const revisions = { installed: everywhere('failed'), downloaded: everywhere('good') };
    const rollback = { ...assignment, creator: 'codeDeployRollback' as const, lifecycleEvents: [...LIFECYCLE_EVENTS] };
    const usual = { ...assignment, lifecycleEvents: [...LIFECYCLE_EVENTS] };
    expect(plan({ assignment: rollback, ...revisions })).to.deep.equal(plan({ assignment: usual, ...revisions }));
    expect(planEvent({ assignment: rollback, ...revisions }, 'ApplicationStop')).to.deep.include({
      source: { revision: 'installed', revisionLabel: 'failed', archiveRoot: '/archives/failed' },
    });
  });

  it('112. has nothing to stop in a first deployment', () => {
    const [stop] = plan({ assignment, installed: null, downloaded: everywhere('new') });
    expect(stop).to.include({ kind: 'noop', event: 'ApplicationStop' });
  });

  it('takes an unreadable archive for a first deployment and says so', () => {
    const [stop] = plan({ assignment, installed: { unreadable: 'it is gone' }, downloaded: null });
    expect(stop).to.deep.equal({
      kind: 'noop',
      event: 'ApplicationStop',
      reason: 'taken as a first deployment: it is gone',
    });
  });

  it('117. does nothing on an event without scripts', () => {
    const steps = plan({ assignment, installed: aRevision('old', {}), downloaded: aRevision('new', {}) });
    expect(steps.map((step) => step.kind)).to.deep.equal([
      'noop',
      'download-bundle',
      'noop',
      'install',
      'noop',
      'noop',
      'noop',
    ]);
  });

  it('waits for the bundle to know the rest, and refuses what could never be known', () => {
    const kinds = plan({ assignment, installed: null, downloaded: null }).map((step) => step.kind);
    expect(kinds.slice(2)).to.deep.equal(Array.from({ length: 5 }, () => 'await-bundle'));
    const without = { ...assignment, lifecycleEvents: ['AfterInstall'] };
    expect(plan({ assignment: without, installed: null, downloaded: null })[0]?.kind).to.equal('refuse');
  });

  it('refuses the traffic gates, which it cannot open itself', () => {
    for (const event of ['BlockTraffic', 'AllowTraffic'])
      expect(planEvent({ assignment, installed: null, downloaded: everywhere('new') }, event).kind).to.equal('refuse');
  });
});

describe('timeoutOf', () => {
  it('117. is at least the sum of the timeouts of the scripts', () => {
    const revision = aRevision('new', { AfterInstall: [script('a', 300), script('b', 150)] });
    const step = planEvent({ assignment, installed: null, downloaded: revision }, 'AfterInstall');
    expect(timeoutOf(step)).to.be.within(450_000, 490_000);
  });
});

describe('nextHook', () => {
  const nextAfter = (event: string, input: Partial<Parameters<typeof nextHook>[0]> = {}) =>
    nextHook({ assignment, installed: null, downloaded: everywhere('new'), ...input }, event)?.event ?? null;

  it('is the next event with scripts, over an Install and over events without', () => {
    expect(nextAfter('BeforeInstall')).to.equal('AfterInstall');
    expect(nextAfter('AfterInstall')).to.equal('ApplicationStart');
    const downloaded = aRevision('new', { ValidateService: [script('v.sh')] });
    expect(nextAfter('BeforeInstall', { downloaded })).to.equal('ValidateService');
  });

  it('is none after the last, and none of a bundle that is not here yet', () => {
    expect(nextAfter('ValidateService')).to.equal(null);
    expect(nextAfter('ApplicationStop')).to.equal(null);
    expect(nextAfter('ApplicationStop', { downloaded: null })).to.equal(null);
    expect(nextAfter('DownloadBundle', { downloaded: null })).to.equal(null);
  });
});

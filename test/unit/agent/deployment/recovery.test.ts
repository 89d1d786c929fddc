import { expect } from 'chai';
import { hasLostScripts, remainder } from '../../../../agent/deployment/recovery.ts';
import type { DeploymentProgress, EventProgress } from '../../../../agent/journal/records.ts';
import { anAssignment } from '../../../support/agent-process.ts';

const bundle = { digest: 'a'.repeat(64), bytes: new Uint8Array(), bundleType: 'tgz' as const };

function anEvent(event: string, status: 'Succeeded' | 'Failed' | 'Skipped' | null): EventProgress {
  const report =
    status === null
      ? null
      : { kind: 'event' as const, sequence: 1, deploymentId: 'd', event, status, startedAt: 0, durationMs: 0 };
  return { event, startedAt: 0, timeoutMs: 1, scripts: [], report };
}
function aDeployment(events: EventProgress[], ignoreApplicationStopFailures = false): DeploymentProgress {
  const assignment = anAssignment(bundle, { ignoreApplicationStopFailures });
  return { assignment, acceptedAt: 0, isBegun: true, archive: null, events };
}

describe('remainder', () => {
  it('begins with the first event', () => {
    expect(remainder(aDeployment([]))).to.deep.equal({ kind: 'event', event: 'ApplicationStop', interrupted: null });
  });

  it('goes on with the event that was interrupted, and what is known of it', () => {
    const interrupted = anEvent('DownloadBundle', null);
    expect(remainder(aDeployment([anEvent('ApplicationStop', 'Succeeded'), interrupted]))).to.deep.equal({
      kind: 'event',
      event: 'DownloadBundle',
      interrupted,
    });
  });

  it('fails after a failed event and skips what has no outcome yet', () => {
    const rest = remainder(
      aDeployment([
        anEvent('ApplicationStop', 'Succeeded'),
        anEvent('DownloadBundle', 'Failed'),
        // The agent died between these two reports and the end.
        anEvent('BeforeInstall', 'Skipped'),
        anEvent('Install', 'Skipped'),
      ]),
    );
    expect(rest).to.deep.equal({
      kind: 'fail',
      failedEvent: 'DownloadBundle',
      skip: ['AfterInstall', 'ApplicationStart', 'ValidateService'],
    });
  });

  it('passes over a failed stop only when told to', () => {
    const events = [anEvent('ApplicationStop', 'Failed')];
    expect(remainder(aDeployment(events)).kind).to.equal('fail');
    expect(remainder(aDeployment(events, true))).to.include({ kind: 'event', event: 'DownloadBundle' });
    const later = [...events, anEvent('DownloadBundle', 'Failed')];
    expect(remainder(aDeployment(later, true))).to.include({ kind: 'fail', failedEvent: 'DownloadBundle' });
  });

  it('succeeds when every event has', () => {
    const deployment = aDeployment([]);
    deployment.events.push(...deployment.assignment.lifecycleEvents.map((event) => anEvent(event, 'Succeeded')));
    expect(remainder(deployment)).to.deep.equal({ kind: 'succeed' });
  });
});

describe('hasLostScripts', () => {
  const script = {
    location: 'stop.sh',
    attempt: 1,
    startedAt: 0,
    deadlineAt: 1,
    bootId: 'b',
    isTimedOut: false,
    ended: null,
  };
  const begun = { ...anEvent('ApplicationStop', null), scripts: [script] };
  const noop = { kind: 'noop', event: 'ApplicationStop', reason: 'the archive is not usable any more' } as const;

  it('says so when a script was started that the plan of now does not know', () => {
    expect(hasLostScripts(noop, begun)).to.equal(true);
    expect(hasLostScripts(noop, anEvent('ApplicationStop', null))).to.equal(false);
    expect(hasLostScripts(noop, null)).to.equal(false);
  });

  it('is content when the plan still has the scripts', () => {
    const source = { revision: 'installed', revisionLabel: '1', archiveRoot: '/a' } as const;
    const scripts = [
      { location: 'stop.sh', args: [], timeoutSeconds: 1, runas: null, sudo: false, env: {}, limits: null, line: 1 },
    ];
    const run = { kind: 'run-hook', event: 'ApplicationStop', scripts, source } as const;
    expect(hasLostScripts(run, begun)).to.equal(false);
  });
});

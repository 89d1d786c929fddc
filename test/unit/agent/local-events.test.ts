import { expect } from 'chai';
import { parseConfig } from '../../../agent/config.ts';
import { localEvents } from '../../../agent/local-events.ts';

describe('localEvents', () => {
  it('has the default order of codedeploy-local', () => {
    expect(localEvents(null).slice(0, 4)).to.deep.equal([
      'BeforeBlockTraffic',
      'AfterBlockTraffic',
      'ApplicationStop',
      'DownloadBundle',
    ]);
  });

  it('puts DownloadBundle and Install first when they are missing, and swaps them when they are the wrong way round', () => {
    expect(localEvents('ApplicationStart')).to.deep.equal(['DownloadBundle', 'Install', 'ApplicationStart']);
    expect(localEvents('Install,DownloadBundle')).to.deep.equal(['DownloadBundle', 'Install']);
    expect(localEvents('DownloadBundle, Install, MyOwn')).to.deep.equal(['DownloadBundle', 'Install', 'MyOwn']);
  });

  it('refuses an order that cannot work, a repeated name, and what is no name', () => {
    for (const events of [
      'AfterInstall,DownloadBundle,Install',
      'DownloadBundle,AfterInstall,Install',
      'A,A',
      'a b',
      '',
    ])
      expect(() => localEvents(events), events).to.throw('--events');
  });
});

describe('parseConfig', () => {
  it('has a default for every key', () => {
    expect(parseConfig(null, 'agent.yaml')).to.deep.include({
      stateDirectory: '/var/lib/drover-agent',
      logLevel: 'info',
      coordinatorUrl: null,
      hooks: {
        environment: {},
        maxOutputBytes: 64 * 1_024 * 1_024,
        secrets: { files: [], variables: [] },
        rebootCommand: ['systemctl', 'reboot'],
        maxReboots: 3,
        rebootTimeoutMs: 600_000,
      },
    });
  });

  it('90. names every wrong key with what it accepts, maxRevisions below 1 among them', () => {
    const wrong = { logLevel: 'loud', limits: { maxRevisions: 0 }, hooks: { environment: { '1x': 'y' } }, surprise: 1 };
    expect(() => parseConfig(wrong, 'agent.yaml')).to.throw(
      /agent\.yaml: .*logLevel: .*"debug"\|"info"\|"warn"\|"error".*hooks\.environment.*limits\.maxRevisions: .*surprise/,
    );
  });
});

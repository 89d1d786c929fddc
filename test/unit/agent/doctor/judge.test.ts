import { expect } from 'chai';
import type { Enrolment } from '../../../../agent/connection/identity.ts';
import type { HostEvidence, SurroundingsEvidence } from '../../../../agent/doctor/evidence.ts';
import { type Check, judgeHost, judgeSurroundings } from '../../../../agent/doctor/judge.ts';
import { renderChecks } from '../../../../agent/doctor/render.ts';

const MIB = 1_024 * 1_024;
const enrolment: Enrolment = {
  hostId: 'h-1',
  hostName: 'web-1',
  coordinatorId: 'c-1',
  coordinatorUrl: 'https://coordinator:7717',
  enrolledAt: 0,
};
const key = { path: '/state/identity.json', mode: 0o600, enrolment };

function aHost(changes: Partial<HostEvidence> = {}): HostEvidence {
  return {
    account: { uid: 0, name: 'root' },
    configuration: { path: '/etc/drover/agent.yaml', mode: 0o644 },
    stateDirectory: '/state',
    directory: { ok: true, value: { isDirectory: true, mode: 0o711, uid: 0 } },
    isClaimed: { ok: true, value: true },
    told: { ok: true, value: { connection: { state: 'connected', reason: null } } },
    journal: { ok: true, value: { unfinishedDeployments: 0, unacknowledgedReports: 0 } },
    space: [{ path: '/state', freeBytes: { ok: true, value: 10_000 * MIB } }],
    reserveBytes: 64 * MIB,
    identity: { ok: true, value: key },
    ...changes,
  };
}

function surroundings(changes: Partial<SurroundingsEvidence> = {}): SurroundingsEvidence {
  return {
    account: { uid: 0, name: 'root' },
    tools: { setpriv: true, setfacl: true, 'systemd-run': true, sync: true },
    unit: {
      ok: true,
      value: { loadState: 'loaded', activeState: 'active', killMode: 'process', unitFileState: 'enabled' },
    },
    ...changes,
  };
}

/** Those that are not fine. */
function findings(checks: readonly Check[]): [string, string][] {
  const found = checks.filter((check) => check.result !== 'fine');
  for (const check of found) expect(check.remedy, `${check.name} says what to do`).to.be.a('string');
  return found.map((check) => [check.result, check.name]);
}
const ofHost = (changes: Partial<HostEvidence>) => findings(judgeHost(aHost(changes)));
const ofSurroundings = (changes: Partial<SurroundingsEvidence>) => findings(judgeSurroundings(surroundings(changes)));

describe('the judgement of a host', () => {
  it('finds nothing on a host that is as it should be', () => {
    const checks = [...judgeHost(aHost()), ...judgeSurroundings(surroundings())];
    expect(findings(checks)).to.deep.equal([]);
    expect(checks.every((check) => check.remedy === null)).to.equal(true);
  });

  it('does not ask for a configuration file, and refuses one that others may change', () => {
    expect(ofHost({ configuration: { path: '/c', mode: null } })).to.deep.equal([]);
    expect(ofHost({ configuration: { path: '/c', mode: 0o666 } })).to.deep.equal([['wrong', 'config']]);
  });

  it('finds a state directory that is missing, no directory, open to others, or another user’s', () => {
    const directory = { isDirectory: true, mode: 0o711, uid: 0 };
    expect(ofHost({ directory: { ok: true, value: null } })).to.deep.equal([['wrong', 'state']]);
    expect(ofHost({ directory: { ok: true, value: { ...directory, isDirectory: false } } })).to.deep.equal([
      ['wrong', 'state'],
    ]);
    expect(ofHost({ directory: { ok: true, value: { ...directory, mode: 0o777 } } })).to.deep.equal([
      ['wrong', 'state'],
    ]);
    expect(ofHost({ directory: { ok: true, value: { ...directory, uid: 7 } } })).to.deep.equal([['warning', 'state']]);
    expect(ofHost({ account: { uid: 1_000, name: 'kim' } })).to.deep.equal([['wrong', 'state']]);
  });

  it('tells what is wrong with a journal in the words of the journal, with its hint', () => {
    const journal = { ok: false, message: 'unreadable at byte 7', hint: 'keep it' } as const;
    const check = judgeHost(aHost({ journal })).find(({ name }) => name === 'journal');
    expect(check).to.deep.equal({ name: 'journal', result: 'wrong', text: journal.message, remedy: journal.hint });
    expect(ofHost({ journal: { ok: true, value: null } })).to.deep.equal([]);
  });

  it('tells how many reports are to be sent as a running agent knows it, who writes less down', () => {
    const journal = { ok: true, value: { unfinishedDeployments: 0, unacknowledgedReports: 2 } } as const;
    const told = {
      ok: true,
      value: { connection: { state: 'connected', reason: null }, unacknowledgedReports: 0 },
    } as const;
    const textOf = (changes: Partial<HostEvidence>) =>
      judgeHost(aHost({ journal, told, ...changes })).find(({ name }) => name === 'journal')?.text;
    expect(textOf({})).to.contain('0 reports to send');
    expect(textOf({ isClaimed: { ok: true, value: false } }), 'it has ended since').to.contain('2 reports to send');
    expect(textOf({ told: { ok: true, value: null } })).to.contain('2 reports to send');
  });

  it('warns when no agent works', () => {
    expect(ofHost({ isClaimed: { ok: true, value: false } })).to.deep.equal([['warning', 'agent']]);
  });

  it('warns when the agent says that it is not connected, and why', () => {
    const waiting = { state: 'waiting', reason: 'two hosts have this key' } as const;
    const check = judgeHost(aHost({ told: { ok: true, value: { connection: waiting } } })).find(
      ({ name }) => name === 'agent',
    );
    expect(check).to.include({ result: 'warning' });
    expect(check!.text).to.contain('two hosts have this key');
    expect(
      ofHost({ told: { ok: true, value: { connection: { ...waiting, state: 'connecting', reason: null } } } }),
    ).to.deep.equal([]);
    expect(ofHost({ told: { ok: true, value: null } }), 'it has only begun').to.deep.equal([]);
    const old = ofHost({ isClaimed: { ok: true, value: false }, told: { ok: true, value: { connection: waiting } } });
    expect(old, 'what one said that has ended').to.deep.equal([['warning', 'agent']]);
  });

  it('holds the free space of every file system against the reserve', () => {
    const free = (mebibytes: number) => ({ path: '/', freeBytes: { ok: true, value: mebibytes * MIB } as const });
    expect(ofHost({ space: [free(321)] })).to.deep.equal([]);
    expect(ofHost({ space: [free(319), free(64)] })).to.deep.equal([
      ['warning', 'disk'],
      ['wrong', 'disk'],
    ]);
    expect(ofHost({ reserveBytes: 0, space: [free(0)] })).to.deep.equal([['wrong', 'disk']]);
  });

  it('finds a host that is not enrolled, or not to the end, and a key that others may read', () => {
    expect(ofHost({ identity: { ok: true, value: null } })).to.deep.equal([['wrong', 'key']]);
    expect(ofHost({ identity: { ok: true, value: { ...key, enrolment: null } } })).to.deep.equal([['wrong', 'key']]);
    expect(ofHost({ identity: { ok: true, value: { ...key, mode: 0o604 } } })).to.deep.equal([['wrong', 'key']]);
    expect(ofHost({ identity: { ok: true, value: { ...key, mode: 0o400 } } })).to.deep.equal([]);
  });

  it('warns of what cannot be done without root, and without a tool', () => {
    expect(ofSurroundings({ account: { uid: 1_000, name: 'kim' } })).to.deep.equal([['warning', 'rights']]);
    const { tools } = surroundings();
    for (const name of ['setpriv', 'setfacl', 'systemd-run', 'sync'] as const) {
      const check = judgeSurroundings(surroundings({ tools: { ...tools, [name]: false } }))[1];
      expect(check).to.deep.include({ name: 'tools', result: 'warning' });
      expect(check?.text).to.contain(`${name} is missing`);
    }
  });

  it('looks at the unit: there, active, enabled, and ending the agent alone', () => {
    const unit = { loadState: 'loaded', activeState: 'active', killMode: 'process', unitFileState: 'enabled' };
    const judged = (changes: Partial<typeof unit>) =>
      ofSurroundings({ unit: { ok: true, value: { ...unit, ...changes } } });
    expect(judged({ loadState: 'not-found' })).to.deep.equal([['warning', 'systemd']]);
    expect(judged({ killMode: 'control-group' })).to.deep.equal([['wrong', 'systemd']]);
    expect(judged({ activeState: 'failed' })).to.deep.equal([['wrong', 'systemd']]);
    expect(judged({ activeState: 'inactive' })).to.deep.equal([['warning', 'systemd']]);
    expect(judged({ unitFileState: 'disabled' })).to.deep.equal([['warning', 'systemd']]);
    expect(ofSurroundings({ unit: { ok: false, message: 'no systemd', hint: null } })).to.deep.equal([
      ['warning', 'systemd'],
    ]);
  });

  it('is told in a line, and one more for what to do', () => {
    const text = renderChecks(judgeHost(aHost({ configuration: { path: '/c', mode: 0o666 } })).slice(0, 2));
    expect(text.split('\n')).to.deep.equal([
      'wrong   config   /c can be changed by others (mode 0666), and it names commands that the agent runs',
      '                 chmod go-w /c',
      'fine    state    /state belongs to root, mode 0711',
      '',
    ]);
  });
});

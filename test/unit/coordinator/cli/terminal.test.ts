import { expect } from 'chai';
import { decideLooks, pipelineOf } from '../../../../coordinator/cli/terminal.ts';

const looks = (env: Record<string, string>, rest: { color?: string; isAscii?: boolean; isTty?: boolean } = {}) =>
  decideLooks({ env, color: rest.color, isAscii: rest.isAscii ?? false, isTty: rest.isTty ?? true });

describe('decideLooks', () => {
  it('uses colour on a terminal only, and not when NO_COLOR or TERM says so', () => {
    expect(looks({}).hasColour).to.equal(true);
    expect(looks({}, { isTty: false }).hasColour).to.equal(false);
    expect(looks({ NO_COLOR: '1' }).hasColour).to.equal(false);
    expect(looks({ NO_COLOR: '' }).hasColour).to.equal(true);
    expect(looks({ TERM: 'dumb' }).hasColour).to.equal(false);
  });

  it('lets FORCE_COLOR win over NO_COLOR, and --color always or never over both', () => {
    expect(looks({ FORCE_COLOR: '1', NO_COLOR: '1' }, { isTty: false }).hasColour).to.equal(true);
    expect(looks({ FORCE_COLOR: '0' }).hasColour).to.equal(false);
    expect(looks({ FORCE_COLOR: '1' }, { color: 'never' }).hasColour).to.equal(false);
    expect(looks({ FORCE_COLOR: '1' }, { color: 'auto', isTty: false }).hasColour).to.equal(true);
    expect(looks({ NO_COLOR: '1' }, { color: 'always', isTty: false }).hasColour).to.equal(true);
    expect(() => looks({}, { color: 'sometimes' })).to.throw(/--color sometimes/);
  });

  it('uses characters outside of ASCII when the locale is UTF-8 and nobody objects', () => {
    expect(looks({ LANG: 'en_GB.UTF-8' }).isUnicode).to.equal(true);
    expect(looks({ LANG: 'en_GB.UTF-8', LC_ALL: 'C' }).isUnicode).to.equal(false);
    expect(looks({ LC_CTYPE: 'C.utf8' }).isUnicode).to.equal(true);
    expect(looks({}).isUnicode).to.equal(false);
    expect(looks({ LANG: 'C.UTF-8' }, { isAscii: true }).isUnicode).to.equal(false);
  });

  it('draws no picture without a terminal, or on a dumb one', () => {
    expect(looks({}).isLive).to.equal(true);
    expect(looks({}, { isTty: false }).isLive).to.equal(false);
    expect(looks({ TERM: 'dumb' }).isLive).to.equal(false);
  });
});

describe('pipelineOf', () => {
  it('knows the systems by what they set', () => {
    expect(pipelineOf({ GITHUB_ACTIONS: 'true' })).to.equal('github');
    expect(pipelineOf({ GITLAB_CI: 'true' })).to.equal('gitlab');
    expect(pipelineOf({ BUILDKITE: 'true' })).to.equal('buildkite');
    expect(pipelineOf({ CI: 'true' })).to.equal(undefined);
  });
});

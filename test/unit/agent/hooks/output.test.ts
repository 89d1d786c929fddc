import { expect } from 'chai';
import { parseExitStatus } from '../../../../agent/hooks/exit-status.ts';
import { tailText } from '../../../../agent/hooks/output.ts';
import { scriptSource } from '../../../../agent/hooks/script-source.ts';

describe('tailText', () => {
  it('keeps short output as it is', () => {
    expect(tailText(Buffer.from('a\nß\n'))).to.equal('a\nß\n');
  });

  it('127. cuts at the border of a character, at most 2048 bytes', () => {
    for (let shift = 0; shift < 4; shift++) {
      const tail = tailText(Buffer.from(`${'x'.repeat(shift)}${'€'.repeat(1_000)}`));
      expect(tail).to.match(/^€+$/);
      expect(Buffer.byteLength(tail)).to.be.within(2_044, 2_048);
    }
  });

  it('replaces bytes that are not UTF-8 and stays within the bound', () => {
    const tail = tailText(Buffer.alloc(4_000, 0x80));
    expect(Buffer.byteLength(tail)).to.be.at.most(2_048);
    expect(tail).to.match(/^\ufffd+$/);
  });
});

describe('parseExitStatus', () => {
  it('reads a whole line only', () => {
    expect(parseExitStatus('{"exitCode":3,"signal":null}\n')).to.deep.equal({ exitCode: 3, signal: null });
    expect(parseExitStatus('{"exitCode":null,"signal":"SIGKILL"}\n')).to.deep.equal({
      exitCode: null,
      signal: 'SIGKILL',
    });
    for (const torn of [
      '',
      '{"exitCode":3,"signal":null}',
      '{"exitCode":3',
      '\0\0\0\n',
      '{"exitCode":null,"signal":null}\n',
    ])
      expect(parseExitStatus(torn), JSON.stringify(torn)).to.equal(null);
  });
});

describe('scriptSource', () => {
  it('is the installed revision for the three events that stop, the new one for the rest', () => {
    for (const event of ['BeforeBlockTraffic', 'AfterBlockTraffic', 'ApplicationStop'])
      expect(scriptSource(event)).to.equal('installed');
    for (const event of ['BeforeInstall', 'ValidateService', 'AfterAllowTraffic', 'MyOwnEvent'])
      expect(scriptSource(event)).to.equal('new');
  });
});

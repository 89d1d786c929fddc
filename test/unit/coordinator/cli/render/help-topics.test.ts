import { expect } from 'chai';
import { EXIT_CODES } from '../../../../../coordinator/cli/exit-codes.ts';
import { topicLines } from '../../../../../coordinator/cli/render/help-topics.ts';
import { makeStyle } from '../../../../../coordinator/cli/render/style.ts';
import { widthOf } from '../../../../../coordinator/cli/render/text.ts';

const style = makeStyle({ hasColour: false, isUnicode: true, utcOffset: () => 0 });

describe('a help topic', () => {
  it('breaks sentences instead of cutting them where the terminal is narrow', () => {
    for (const width of [60, 80, 100]) {
      const lines = topicLines('exit-codes', width, style);
      expect(Math.max(...lines.slice(2).map(widthOf))).to.be.at.most(width);
      const words = lines.join(' ').replace(/\s+/g, ' ');
      for (const exit of EXIT_CODES) expect(words).to.contain(exit.meaning);
    }
  });

  it('says what --color beats as it is decided: auto leaves it to the environment', () => {
    const words = topicLines('colours', 1_000, style).join(' ');
    expect(words).to.contain('--color always, --color never and --no-color beat them all');
    expect(words).not.to.contain('auto|');
  });

  it('tells of JSON which commands print more than one document', () => {
    const words = topicLines('json', 1_000, style).join(' ');
    for (const name of ['logs', 'agents update', 'groups apply']) expect(words).to.contain(name);
  });

  it('tells of the environment what --context beats', () => {
    const line = (name: string) => topicLines('environment', 1_000, style).find((text) => text.startsWith(`${name} `));
    for (const beaten of ['DROVER_URL', 'DROVER_CONTEXT']) expect(line(beaten)).to.contain('--context beats it');
    for (const own of ['DROVER_TOKEN', 'DROVER_CA_FILE']) expect(line(own)).to.contain('--context beats it where');
  });
});

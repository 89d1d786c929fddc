import { expect } from 'chai';
import { CATALOGUE } from '../../../../coordinator/cli/catalogue.ts';
import { type CommandSpec, isGroup } from '../../../../coordinator/cli/command.ts';
import { helpOfCommand } from '../../../../coordinator/cli/render/help-text.ts';
import { widthOf } from '../../../../coordinator/cli/render/text.ts';
import { plainStyle } from '../../../support/cli-style.ts';

describe('every command', () => {
  for (const entry of CATALOGUE)
    it(`${entry.name} explains itself: sentence, examples, flags, exit codes, at 80 columns`, async () => {
      const loaded = await entry.load();
      expect(loaded.name).to.equal(entry.name);
      const commands: (readonly [string, CommandSpec])[] = isGroup(loaded)
        ? loaded.commands.map((spec) => [`${loaded.name} ${spec.name}`, spec])
        : [[loaded.name, loaded]];
      for (const [path, spec] of commands) {
        const help = helpOfCommand(spec, path, 80, plainStyle);
        expect(spec.examples.length, `${path} has examples`).to.be.greaterThan(0);
        for (const [line] of spec.examples) expect(line, path).to.match(/drover/);
        expect(help.slice(0, 2).join(' ')).to.contain(`${spec.summary}.`);
        for (const option of Object.values(spec.options)) expect(help.join('\n'), path).to.contain(option.flags);
        expect(help.join('\n')).to.match(/^Exit {5}0 done/m);
        for (const text of help) expect(widthOf(text), `${path}: ${text}`).to.be.at.most(80);
      }
    });

  it('lists how it ends where it asks the coordinator, and where it asks the operator', async () => {
    for (const entry of CATALOGUE) {
      const loaded = await entry.load();
      for (const spec of isGroup(loaded) ? loaded.commands : [loaded]) {
        // It makes the context that it is for, and asks for a token alone.
        if (spec.name === 'login') continue;
        const path = `${entry.name} ${spec.name}`;
        // A context that does not exist is `not-found`, contexts that cannot be read are `usage`.
        if (spec.exits.includes('unreachable'))
          expect(spec.exits, path).to.include.members(['usage', 'not-found', 'not-permitted']);
        // `refused` is the answer no.
        if (spec.exits.includes('needs-answer')) expect(spec.exits, path).to.include.members(['refused', 'left']);
      }
    }
  });

  it('names only commands that exist under "See also"', async () => {
    const names = new Set<string>();
    const seen: string[] = [];
    for (const entry of CATALOGUE) {
      names.add(entry.name);
      const loaded = await entry.load();
      for (const spec of isGroup(loaded) ? loaded.commands : [loaded]) {
        names.add(`${entry.name} ${spec.name}`);
        seen.push(...spec.seeAlso);
      }
    }
    for (const name of seen) expect(names.has(name), name).to.equal(true);
  });
});

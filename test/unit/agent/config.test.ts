import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { parse } from 'yaml';
import { parseConfig } from '../../../agent/config.ts';
import { AppError } from '../../../shared/core/errors.ts';

describe("the agent's configuration", () => {
  it('has an example with every key at its default', () => {
    const example: unknown = parse(readFileSync('examples/agent.yaml', 'utf8'));
    expect(example).to.deep.equal(parseConfig({}, 'nothing'));
  });

  it('names every wrong key at once, and what it must be', () => {
    const wrong = {
      coordinatorUrl: 'ftp://x',
      installRoot: 'srv',
      hooks: { environment: { '1A': 'x' } },
      colour: 'red',
    };
    expect(() => parseConfig(wrong, 'agent.yaml'))
      .to.throw(/^agent\.yaml: .*coordinatorUrl: .*http.*installRoot: .*absolute.*hooks\.environment.*colour/s)
      .with.property('code', 'invalid');
  });

  it('asks whether a key was meant that is written nearly so, as the coordinator does', () => {
    const refused = (value: object) => {
      try {
        parseConfig(value, 'agent.yaml');
      } catch (error) {
        if (error instanceof AppError) return { message: error.message, hint: error.hint };
      }
      return expect.fail('it was accepted');
    };
    const top = refused({ coordinatorURL: 'https://drover.example' });
    expect(top.message).to.equal('agent.yaml: coordinatorURL is no setting');
    expect(top.hint).to.match(/^Did you mean coordinatorUrl\? Accepted here: coordinatorUrl, caFile, .*limits\.$/);
    const inner = refused({ hooks: { secrets: { file: [], colour: 'red' } } });
    expect(inner.message).to.equal('agent.yaml: hooks.secrets.file is no setting; hooks.secrets.colour is no setting');
    expect(inner.hint).to.equal('Did you mean files? Accepted in hooks.secrets: files, variables.');
    expect(refused({ colour: 'red' }).hint).to.match(/^Accepted here: coordinatorUrl, /);
    expect(refused({ logLevel: 'loud' }).hint).to.equal('examples/agent.yaml explains every key.');
  });
});

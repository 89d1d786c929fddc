import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { parse } from 'yaml';
import { parseConfig } from '../../../agent/config.ts';

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
});

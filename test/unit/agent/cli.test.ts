import { expect } from 'chai';
import { type CliActions, parsePlainRun, runCli } from '../../../agent/cli.ts';
import { AppError } from '../../../shared/core/errors.ts';

describe('parsePlainRun', () => {
  const parse = (line: string) => parsePlainRun(line === '' ? [] : line.split(' '), '/srv/somewhere');

  it("knows the service's own command line, and where a path begins", () => {
    const configPath = '/etc/drover/agent.yaml';
    expect(parse('run')).to.deep.equal({ configPath: null, stateDirectory: null });
    expect(parse(`run --config ${configPath}`)).to.deep.equal({ configPath, stateDirectory: null });
    expect(parse(`--config ${configPath} run`)).to.deep.equal({ configPath, stateDirectory: null });
    expect(parse('run --config agent.yaml')?.configPath).to.equal('/srv/somewhere/agent.yaml');
  });

  it('leaves everything else to the full parser', () => {
    for (const line of [
      '',
      'status',
      'run run',
      'run --config',
      'run --config -x',
      'run --help',
      'run now',
      'run --state-directory /s',
      'run --config a --config b',
      '--config run',
      '--config run run',
      '--config a.yaml status',
    ])
      expect(parse(line), line).to.equal(null);
  });
});

describe('runCli', () => {
  it('tells what went wrong in the same way on either path', async () => {
    const actions = {
      run: async () => {
        throw new AppError('not_found', 'not enrolled', { hint: 'Enrol it.' });
      },
    } as unknown as CliActions;
    for (const args of [['run'], ['run', '--state-directory', '/s']]) {
      const told: string[] = [];
      const output = { out: () => {}, err: (text: string) => void told.push(text), workingDirectory: '/' };
      expect(await runCli(args, actions, output)).to.equal(10);
      expect(told).to.deep.equal(['drover-agent: not enrolled\nEnrol it.\n']);
    }
  });
});

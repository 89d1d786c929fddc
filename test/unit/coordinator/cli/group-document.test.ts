import { expect } from 'chai';
import { CommandFailure } from '../../../../coordinator/cli/exit-codes.ts';
import { groupToYaml, parseGroupDocuments } from '../../../../coordinator/cli/group-document.ts';
import { diffLines } from '../../../../coordinator/cli/render/diff-lines.ts';
import { aGroup } from '../../../support/api-samples.ts';
import { plainStyle } from '../../../support/cli-style.ts';

function failureOf(source: string): CommandFailure {
  try {
    parseGroupDocuments(source, 'prod.yaml');
  } catch (error) {
    expect(error).to.be.instanceOf(CommandFailure);
    return error as CommandFailure;
  }
  return expect.fail('expected it to fail');
}

describe('group documents', () => {
  it('are read as they were written', () => {
    const group = aGroup({
      hookEnvironment: { STAGE: 'prod' },
      transientUnits: true,
      triggers: [{ name: 'chat', target: 'https://chat.example/x', events: ['DeploymentFailure'] }],
    });
    const [read] = parseGroupDocuments(groupToYaml(group), 'prod.yaml');
    const {
      application,
      name,
      selection,
      deploymentConfigName,
      autoRollback,
      outdatedInstancesStrategy,
      hookEnvironment,
      triggers,
      transientUnits,
    } = group;
    expect(read).to.deep.equal({
      application,
      name,
      selection,
      deploymentConfigName,
      autoRollback,
      outdatedInstancesStrategy,
      hookEnvironment,
      triggers,
      transientUnits,
    });
  });

  it('give what they leave out its default, and may be several', () => {
    const source =
      'application: web\nname: a\nselection: {}\n---\napplication: web\nname: b\nselection:\n  hostNames: [web-1]\n';
    const read = parseGroupDocuments(source, 'x');
    expect(read.map((one) => one.name)).to.deep.equal(['a', 'b']);
    expect(read[0]?.deploymentConfigName).to.equal('CodeDeployDefault.OneAtATime');
    expect(read[0]?.autoRollback).to.deep.equal({ enabled: true, events: ['DEPLOYMENT_FAILURE'] });
  });

  it('say what is wrong at file, line and column, with the line and a caret', () => {
    const failure = failureOf(
      'application: web\nname: prod\nselection:\n  tagFilters:\n    - type: KEY_ONLY\n      kee: role\nconfig: x\n',
    );
    expect(failure.exit).to.equal('usage');
    expect(failure.message).to.contain('prod.yaml:7:1: error:');
    expect(failure.message).to.contain('  7 | config: x\n    | ^');
    expect(failure.message).to.match(/prod\.yaml:\d+:\d+: error: selection\.tagFilters\.0/);
  });

  it('say where YAML is none', () => {
    expect(failureOf('application: web\nname: [prod\n').message).to.match(/prod\.yaml:\d+:\d+: error:/);
    expect(failureOf('').message).to.contain('no deployment group');
  });
});

describe('diffLines', () => {
  it('shows what changes with a line around it, and nothing when nothing does', () => {
    expect(diffLines('a\nb\nc\nd\ne\n', 'a\nb\nX\nd\ne\n', plainStyle)).to.deep.equal(['  b', '- c', '+ X', '  d']);
    expect(diffLines('a\nb', 'a\nb\n', plainStyle)).to.deep.equal([]);
  });
});

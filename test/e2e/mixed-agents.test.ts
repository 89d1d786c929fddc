import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { hooksAppSpec, makeBundle } from '../support/agent-process.ts';
import { CodeDeployFleet } from '../support/codedeploy-fleet.ts';
import { RealHerd } from '../support/real-herd.ts';

const FILES = 'files:\n  - source: VERSION\n    destination: /opt/app\nfile_exists_behavior: OVERWRITE\n';

describe("a group of hosts with Drover's agents and with AWS's", function () {
  this.timeout(120_000);
  let herd: RealHerd;
  let fleet: CodeDeployFleet;

  beforeEach(async () => {
    herd = new RealHerd();
    await herd.startCoordinator();
    fleet = new CodeDeployFleet(herd.url, herd.token);
  });
  afterEach(async () => {
    await fleet.close();
    await herd.close();
  });

  it('is deployed to, in batches, and rolled back where the new revision failed', async () => {
    await fleet.createGroup('CodeDeployDefault.HalfAtATime');
    for (const name of ['drover-1', 'drover-2']) await herd.addHost(name);
    for (const name of ['aws-1', 'aws-2']) (await fleet.addHost(name)).agent.start();
    for (const name of ['drover-1', 'drover-2', 'aws-1', 'aws-2']) await fleet.online(name);
    const versions = () => [
      ...herd.hosts.map((host) => readFileSync(join(host.installRoot, 'opt/app/VERSION'), 'utf8').trim()),
      ...fleet.hosts.map((host) => fleet.installed(host, 'opt/app/VERSION').trim()),
    ];
    const bundle = (version: string, hook: string) =>
      makeBundle(
        `${hooksAppSpec({ ApplicationStart: ['hook.sh'] })}${FILES}`,
        { VERSION: `${version}\n`, 'hook.sh': `#!/bin/sh\n${hook}\n` },
        { VERSION: 0o644 },
      );

    const first = await fleet.ended(await fleet.deploy(await fleet.push(await bundle('1', 'exit 0'))));
    expect(first.status).to.equal('Succeeded');
    expect(versions()).to.deep.equal(['1', '1', '1', '1']);

    const second = await fleet.ended(await fleet.deploy(await fleet.push(await bundle('2', 'exit 0'))));
    expect(second.status).to.equal('Succeeded');
    expect(versions()).to.deep.equal(['2', '2', '2', '2']);

    const bad = await fleet.deploy(await fleet.push(await bundle('3', 'exit 1')));
    const failed = await fleet.ended(bad);
    expect(failed.status).to.equal('Failed');
    const { rollbackDeploymentId } = failed.rollbackInfo;
    expect((await fleet.ended(rollbackDeploymentId ?? '')).status).to.equal('Succeeded');
    expect(versions()).to.deep.equal(['2', '2', '2', '2']);
  });
});

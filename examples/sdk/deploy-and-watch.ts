// Deploys the newest revision of an application to a deployment group and tells what happens, host by host:
//
//   DROVER_URL=https://drover.example:7717 DROVER_TOKEN=… node --import=tsx examples/sdk/deploy-and-watch.ts web/prod
//
// In a project of your own the import is `from 'drover/sdk'`.
import { DroverClient, isAppError } from '../../shared/sdk/drover-client.ts';

const { DROVER_URL = 'http://127.0.0.1:7717', DROVER_TOKEN, DROVER_CA_FILE } = process.env;
const [application, deploymentGroup] = (process.argv[2] ?? '').split('/');
if (!application || !deploymentGroup) {
  console.error('usage: deploy-and-watch.ts <application>/<group> [revision]');
  process.exit(2);
}

const client = new DroverClient({ url: DROVER_URL, token: DROVER_TOKEN, caFile: DROVER_CA_FILE });
try {
  const deployment = await client.createDeployment({
    application,
    deploymentGroup,
    revision: process.argv[3] ?? 'latest',
    // A key makes this safe to send again when the answer is lost on its way.
    idempotencyKey: crypto.randomUUID(),
  });
  console.log(`${deployment.id}: ${deployment.revisionLabel} to ${deployment.totalHosts} hosts`);

  for await (const item of client.follow(deployment.id)) {
    if (item.kind === 'connection') console.log(`connection ${item.state}`);
    if (item.kind === 'target')
      console.log(`${item.target.hostName}: ${item.target.status} ${item.target.lifecycleEvent ?? ''}`);
    if (item.kind !== 'ended') continue;
    console.log(`${item.deployment.id}: ${item.deployment.status}`);
    if (item.deployment.status !== 'Succeeded') {
      const { items } = await client.listCauses({ deployment: item.deployment.id });
      for (const cause of items) console.log(`  ${cause.hostCount} × ${cause.lifecycleEvent}: ${cause.message}`);
      process.exitCode = 1;
    }
  }
} catch (error) {
  if (!isAppError(error)) throw error;
  console.error(`${error.code}: ${error.message}${error.hint === undefined ? '' : `\n${error.hint}`}`);
  process.exitCode = 1;
}

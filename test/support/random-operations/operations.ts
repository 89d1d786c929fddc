import { expect } from 'chai';
import type { Tags } from '../../../shared/model/host.ts';
import { ANN, type WorldHost } from '../engine-world.ts';
import { CONFIGS, type Dice, endOf, GROUPS, type GroupName, LABELS, type Play, selectionOf } from './play.ts';

interface Operation {
  /** How often it is drawn, beside the others. */
  weight: number;
  run(play: Play): Promise<void>;
}

const OPERATIONS: Record<string, Operation> = {
  deploy: { weight: 5, run: deploy },
  stop: { weight: 2, run: stop },
  rollBackByHand: { weight: 1, run: rollBackByHand },
  disconnect: { weight: 4, run: disconnect },
  connect: { weight: 5, run: connect },
  finish: { weight: 8, run: finish },
  wait: { weight: 6, run: wait },
  setClockBack: { weight: 1, run: setClockBack },
  mistype: { weight: 2, run: (play) => select(play, true) },
  putRight: { weight: 4, run: (play) => select(play, false) },
  changeStrategy: { weight: 2, run: changeStrategy },
  changeTags: { weight: 3, run: changeTags },
  putTagsBack: { weight: 3, run: putTagsBack },
  replace: { weight: 1, run: replace },
};
const LOTS = Object.values(OPERATIONS).flatMap((operation) => Array<Operation>(operation.weight).fill(operation));

export async function doSomething(play: Play): Promise<void> {
  await play.dice.oneOf(LOTS)!.run(play);
}

export async function deployEverywhere(play: Play, label: string): Promise<void> {
  for (const deploymentGroup of GROUPS) {
    await answered(play, play.world.deploy(label, { deploymentGroup }));
    await play.world.run(1_000);
  }
}

async function deploy(play: Play): Promise<void> {
  const { world, dice, story } = play;
  const deploymentGroup = anyGroup(dice);
  const label = dice.oneOf(LABELS)!;
  const body = {
    deploymentGroup,
    deploymentConfigName: dice.oneOf(CONFIGS),
    updateOutdatedInstancesOnly: dice.chance(0.2),
    ...(dice.chance(0.2) ? { onlyHostNames: await someHostsOf(play, deploymentGroup) } : {}),
  };
  story.push(`deploy ${label} ${JSON.stringify(body)}`);
  await answered(play, world.deploy(label, body));
}

async function stop({ world, dice, story, stopped }: Play): Promise<void> {
  const active = await world.database.query.selectFrom('deployments').select('id').where('is_active', '=', 1).execute();
  const id = dice.oneOf(active)?.id;
  if (id === undefined) return;
  const rollback = dice.oneOf([true, false, undefined]);
  story.push(`stop ${id} rollback ${rollback}`);
  await world.deployments.stop(id, { reason: '', ...(rollback === undefined ? {} : { rollback }) }, ANN);
  stopped.add(id);
}

async function rollBackByHand(play: Play): Promise<void> {
  const group = anyGroup(play.dice);
  play.story.push(`roll ${group} back by hand`);
  await answered(play, play.world.deployments.rollbackGroup({ application: 'app', group }, { description: '' }, ANN));
}

async function disconnect({ world, dice, story, hosts }: Play): Promise<void> {
  const host = dice.oneOf(hosts().filter(({ isConnected }) => isConnected));
  if (host === undefined) return;
  story.push(`${host.name} disconnects`);
  world.disconnect(host);
}

async function connect({ world, dice, story, hosts }: Play): Promise<void> {
  const host = dice.oneOf(hosts().filter(({ isConnected }) => !isConnected));
  if (host === undefined) return;
  story.push(`${host.name} connects`);
  await world.connect(host);
}

async function finish({ world, dice, story, hosts }: Play): Promise<void> {
  const host = dice.oneOf(hosts().filter(({ unfinished }) => unfinished.size > 0));
  const assignment = host?.unfinished.values().next().value;
  if (host === undefined || assignment === undefined) return;
  const outcome = endOf(dice, assignment.revision.label, 0.6);
  story.push(`${host.name} ends ${assignment.deploymentId}: ${outcome}`);
  world.finish(host, assignment.deploymentId, outcome);
}

async function wait({ world, dice, story }: Play): Promise<void> {
  const ms = dice.oneOf([1_000, 12_000, 40_000, 320_000])!;
  story.push(`${ms} ms pass`);
  await world.run(ms);
}

async function setClockBack(play: Play): Promise<void> {
  const { world, dice, story } = play;
  const ms = dice.oneOf([90_000, 3_600_000])!;
  story.push(`20 s pass, and the clock is set back by ${ms} ms`);
  // What was written in the seconds before that may keep the longer deadline (engine/standstill.ts).
  await world.run(20_000);
  world.clock.setBack(ms);
  play.setBackAt = world.clock.now();
}

async function select({ world, dice, story }: Play, isMistyped: boolean): Promise<void> {
  const group = anyGroup(dice);
  story.push(`the selection of ${group} is ${isMistyped ? 'mistyped' : 'put right'}`);
  await world.groups.update({ application: 'app', group }, { selection: selectionOf(group, isMistyped) }, ANN);
}

async function changeStrategy({ world, dice, story, haveIgnored }: Play): Promise<void> {
  const group = anyGroup(dice);
  const outdatedInstancesStrategy = dice.chance(0.5) ? 'IGNORE' : 'UPDATE';
  if (outdatedInstancesStrategy === 'IGNORE') haveIgnored.add(group);
  story.push(`outdated hosts of ${group}: ${outdatedInstancesStrategy}`);
  await world.groups.update({ application: 'app', group }, { outdatedInstancesStrategy }, ANN);
}

async function changeTags(play: Play): Promise<void> {
  await retag(play, play.dice.oneOf(play.hosts())!, play.tags());
}

/** A host that has gone over to another group, or left its group by mistake, comes back. */
async function putTagsBack(play: Play): Promise<void> {
  const host = play.dice.oneOf(play.hosts().filter(({ id }) => play.tagsOf.get(id)?.before));
  const before = host && play.tagsOf.get(host.id)?.before;
  if (host !== undefined && before) await retag(play, host, before);
}

async function retag({ world, story, tagsOf }: Play, host: WorldHost, given: Tags): Promise<void> {
  story.push(`${host.name} has tags ${JSON.stringify(given)}`);
  tagsOf.set(host.id, { now: given, before: tagsOf.get(host.id)?.now ?? null });
  await world.retag(host, given);
}

async function replace({ world, dice, story, hosts, addHost }: Play): Promise<void> {
  const host = dice.oneOf(hosts())!;
  story.push(`${host.name} is forgotten, and another host comes`);
  await world.forget(host);
  await addHost();
}

function anyGroup(dice: Dice): GroupName {
  return dice.oneOf(GROUPS)!;
}

async function someHostsOf({ world, dice }: Play, group: GroupName): Promise<string[]> {
  const { items } = await world.groups.listHosts({ application: 'app', group }, { limit: 100 });
  return items.map(({ hostName }) => hostName).filter(() => dice.chance(0.4));
}

/** A refusal is an answer, too. */
async function answered({ story }: Play, request: Promise<unknown>): Promise<void> {
  const code = await request.then(
    () => 'done',
    (error) => error.code ?? error,
  );
  expect(code).to.be.oneOf(['done', 'conflict', 'invalid']);
  story.push(`  ${code}`);
}

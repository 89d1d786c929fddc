import { hostSelection } from '../../../shared/model/deployment-group.ts';
import type { Tags } from '../../../shared/model/host.ts';
import { ANN, type Behaviour, createEngineWorld, type EngineWorld, type WorldHost } from '../engine-world.ts';
import { seededRandomness } from '../fake-randomness.ts';

/** Groups of one application: each selects the hosts that have a tag of its name. */
export const GROUPS = ['prod', 'canary', 'batch'] as const;
export type GroupName = (typeof GROUPS)[number];
/** 3 and 4 fail on most hosts. */
export const LABELS = ['1', '2', '3', '4'] as const;
export const CONFIGS = [
  'CodeDeployDefault.OneAtATime',
  'CodeDeployDefault.HalfAtATime',
  'CodeDeployDefault.AllAtOnce',
  'TwoStay',
  'SeventyPercentStay',
] as const;
const OWN_CONFIGS = [
  { name: 'TwoStay', minimum_type: 'HOST_COUNT', minimum_value: 2, created_at: 0 },
  { name: 'SeventyPercentStay', minimum_type: 'FLEET_PERCENT', minimum_value: 70, created_at: 0 },
];
const HOSTS = 7;

export interface Dice {
  chance(probability: number): boolean;
  /** Undefined only where there is none. */
  oneOf<Item>(items: readonly Item[]): Item | undefined;
}

export interface Play {
  world: EngineWorld;
  dice: Dice;
  /** What was done, for whoever looks into a seed that breaks. */
  story: string[];
  /** Promises that were broken inside a step. */
  broken: string[];
  /** Deployments whose stop has been answered. */
  stopped: Set<string>;
  /** By deployment, of those that a host was told of. */
  groupOf: Map<string, string>;
  /** Groups that were told to leave outdated hosts alone at any time. */
  haveIgnored: Set<string>;
  /** When the clock was set back last, by the clock as it is since. */
  setBackAt: number | null;
  /** Nobody does anything wrong any more. */
  isHealing: boolean;
  hosts(): WorldHost[];
  /** Tags of a host that is in some of the groups, or in none. */
  tags(): Tags;
  /** By host: its tags, and those that it had before they were changed. */
  tagsOf: Map<string, { now: Tags; before: Tags | null }>;
  addHost(): Promise<void>;
}

/** Hosts and groups, not deployed to yet. */
export async function createPlay(seed: number): Promise<Play> {
  const world = await createEngineWorld(seed);
  const dice = createDice(seed);
  // In every second seed a host is in one group at a time: it goes over from one to another instead of being in both.
  const tags = seed % 2 === 0 ? () => tagsOfOneGroup(dice) : () => tagsOfSomeGroups(dice);
  let hostCount = 0;
  const play: Play = {
    world,
    dice,
    story: [],
    broken: [],
    stopped: new Set(),
    groupOf: new Map(),
    haveIgnored: new Set(),
    setBackAt: null,
    isHealing: false,
    hosts: () => [...world.hosts.values()],
    tags,
    tagsOf: new Map(),
    async addHost() {
      const given = tags();
      const host = await world.addHost(`web-${++hostCount}`, { tags: given, behaviour: behaviourIn(play) });
      play.tagsOf.set(host.id, { now: given, before: null });
    },
  };
  await world.database.query.insertInto('deployment_configs').values(OWN_CONFIGS).execute();
  for (let i = 0; i < HOSTS; i++) await play.addHost();
  for (const label of LABELS) await world.addRevision(label);
  for (const name of GROUPS) await addGroup(play, name);
  return play;
}

/** What the group `name` is to select, or, mistyped, nothing. */
export function selectionOf(name: GroupName, isMistyped: boolean) {
  return hostSelection.parse({
    tagFilters: [{ type: 'KEY_AND_VALUE', key: name, value: isMistyped ? 'wbe' : 'web' }],
  });
}

/** Operators put their mistakes right, and every host comes back and ends well what it is told. */
export async function heal(play: Play): Promise<void> {
  const { world } = play;
  play.isHealing = true;
  play.story.push('all is healed');
  for (const group of GROUPS)
    await world.groups.update({ application: 'app', group }, { selection: selectionOf(group, false) }, ANN);
  for (const host of play.hosts()) if (!host.isConnected) await world.connect(host);
  for (let round = 0; round < 40; round++) {
    for (const host of play.hosts()) for (const id of [...host.unfinished.keys()]) world.finish(host, id, 'succeed');
    await world.run(15_000);
  }
}

function createDice(seed: number): Dice {
  const random = seededRandomness(seed * 7_919);
  // The first numbers of seeds that are close to each other are close, too.
  for (let i = 0; i < 20; i++) random.fraction();
  return {
    chance: (probability) => random.fraction() < probability,
    oneOf: (items) => items[Math.floor(random.fraction() * items.length)],
  };
}

function tagsOfOneGroup({ oneOf }: Dice): Tags {
  const group = oneOf(['prod', 'prod', 'prod', 'prod', 'canary', 'batch', 'none']);
  return { [group!]: 'web' };
}

function tagsOfSomeGroups({ chance }: Dice): Tags {
  return {
    ...(chance(0.8) ? { prod: 'web' } : {}),
    ...(chance(0.3) ? { canary: 'web' } : {}),
    ...(chance(0.2) ? { batch: 'web' } : {}),
  };
}

async function addGroup({ world, dice, haveIgnored }: Play, name: GroupName): Promise<void> {
  const outdatedInstancesStrategy = dice.chance(0.8) ? 'UPDATE' : 'IGNORE';
  if (outdatedInstancesStrategy === 'IGNORE') haveIgnored.add(name);
  await world.addGroup(name, {
    config: dice.oneOf(CONFIGS)!,
    selection: selectionOf(name, false),
    settings: { outdatedInstancesStrategy },
  });
}

/** What a host does with an assignment; to be told what it must not be told is a promise broken. */
function behaviourIn(play: Play): Behaviour {
  const { dice, story, broken } = play;
  return ({ deploymentId, deploymentGroupId, creator, revision }, host) => {
    play.groupOf.set(deploymentId, deploymentGroupId);
    if (play.stopped.has(deploymentId)) broken.push(`${host.name} was told to start ${deploymentId} after its stop`);
    if (host.started.includes(deploymentId)) broken.push(`${host.name} was told to start ${deploymentId} twice`);
    if (play.isHealing) return 'succeed';
    const does = dice.chance(0.35) ? (dice.chance(0.8) ? 'hang' : 'ignore') : endOf(dice, revision.label, 0.7);
    story.push(`  ${host.name} will ${does} in ${deploymentId} (${creator}, ${revision.label})`);
    return does;
  };
}

/** How a host ends a revision, of which the last two are `bad` for most. */
export function endOf({ chance }: Dice, label: string, bad: number): 'fail' | 'succeed' {
  return chance(Number(label) > 2 ? bad : 0.1) ? 'fail' : 'succeed';
}

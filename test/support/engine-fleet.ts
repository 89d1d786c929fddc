import type { Deployment } from '../../shared/model/deployment.ts';
import type { Behaviour, EngineWorld, WorldHost } from './engine-world.ts';

export const ALL_AT_ONCE = { deploymentConfigName: 'CodeDeployDefault.AllAtOnce' };
export const ONE_AT_A_TIME = { deploymentConfigName: 'CodeDeployDefault.OneAtATime' };

/** Hosts web-1 and on, the group `prod` that selects them, revisions 1, 2 and 3. */
export async function aFleet(world: EngineWorld, count: number, behaviour?: Behaviour): Promise<WorldHost[]> {
  const hosts: WorldHost[] = [];
  for (let i = 1; i <= count; i++)
    hosts.push(await world.addHost(`web-${i}`, behaviour === undefined ? {} : { behaviour }));
  await world.addGroup('prod');
  for (const label of ['1', '2', '3']) await world.addRevision(label);
  return hosts;
}

/** A deployment, after what needs no more than a moment has happened. */
export async function deployed(world: EngineWorld, label: string, options: object = {}): Promise<Deployment> {
  const { id } = await world.deploy(label, options);
  await world.run(200);
  return world.get(id);
}

/** What the host does with each revision, by label; succeeds with the others. */
export function doing(byLabel: Record<string, ReturnType<Behaviour>>): Behaviour {
  return (assignment) => byLabel[assignment.revision.label] ?? 'succeed';
}

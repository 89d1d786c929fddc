import type {
  ApplicationInfo,
  TagFilter as AwsTagFilter,
  DeploymentConfigInfo,
  DeploymentGroupInfo,
  EC2TagFilter,
} from '@aws-sdk/client-codedeploy';
import type * as z from 'zod';
import { deploymentGroupRoutes } from '../../../shared/api/deployment-groups.ts';
import { resourceName } from '../../../shared/model/application.ts';
import { minimumHealthyHosts, PREDEFINED_CONFIG_PREFIX } from '../../../shared/model/deployment-config.ts';
import type { DeploymentGroup, HostSelection, TagFilter } from '../../../shared/model/deployment-group.ts';
import { type Remark, remark } from './import-item.ts';

/** What a group becomes here, as `createDeploymentGroup` takes it. */
export type WantedGroup = z.output<typeof groupBody> & { application: string };
const groupBody = deploymentGroupRoutes.createDeploymentGroup.body;
export type MinimumHealthyHosts = z.output<typeof minimumHealthyHosts>;

export type Translated<Wanted> =
  | { ok: true; wanted: Wanted; losses: readonly Remark[]; notes: readonly Remark[] }
  | { ok: false; reasons: readonly Remark[] };

/** Those of servers that are here as well. Source: CodeDeploy User Guide, "Predefined deployment configurations". */
const PREDEFINED = ['OneAtATime', 'HalfAtATime', 'AllAtOnce'].map((name) => `${PREDEFINED_CONFIG_PREFIX}${name}`);

export function translateApplication(info: ApplicationInfo): Translated<{ name: string }> {
  const { applicationName: name = '', computePlatform = 'Server' } = info;
  if (computePlatform !== 'Server')
    return cannot('compute-platform', `it is for ${computePlatform}: Drover deploys to hosts`);
  const parsed = resourceName.safeParse(name);
  return parsed.success ? carried({ name }) : cannot('name', `its name must have ${problemOf(parsed.error)}`);
}

export function translateConfig(
  info: DeploymentConfigInfo,
): Translated<{ name: string; minimum: MinimumHealthyHosts }> {
  const { deploymentConfigName: name = '', computePlatform = 'Server' } = info;
  if (computePlatform !== 'Server')
    return cannot('compute-platform', `it is for ${computePlatform}: Drover deploys to hosts`);
  if (info.zonalConfig !== undefined) return cannot('zones', 'it goes zone by zone, which is not there yet');
  const named = resourceName.safeParse(name);
  if (!named.success) return cannot('name', `its name must have ${problemOf(named.error)}`);
  const minimum = minimumHealthyHosts.safeParse(info.minimumHealthyHosts);
  return minimum.success
    ? carried({ name, minimum: minimum.data })
    : cannot('minimum-healthy-hosts', `its minimum of healthy hosts: ${problemOf(minimum.error)}`);
}

/**
 * `losses`: what a deployment would count on and would not have here. `notes`: what is another way here, and does as well.
 */
export function translateGroup(info: DeploymentGroupInfo): Translated<WantedGroup> {
  const { computePlatform = 'Server', deploymentStyle, autoRollbackConfiguration: rollback } = info;
  if (computePlatform !== 'Server')
    return cannot('compute-platform', `it is for ${computePlatform}: Drover deploys to hosts`);
  if (deploymentStyle?.deploymentType === 'BLUE_GREEN') return cannot('blue-green', 'blue/green is not there yet');
  const body = {
    name: info.deploymentGroupName,
    selection: selectionOf(info),
    deploymentConfigName: info.deploymentConfigName,
    autoRollback: {
      enabled: rollback?.enabled === true,
      events: (rollback?.events ?? []).filter((event) => event !== 'DEPLOYMENT_STOP_ON_ALARM'),
    },
    outdatedInstancesStrategy: info.outdatedInstancesStrategy,
    triggers: (info.triggerConfigurations ?? []).map((one) => ({
      name: one.triggerName,
      target: one.triggerTargetArn,
      events: one.triggerEvents,
    })),
  };
  // An event list that held alarms alone starts nothing here.
  if (body.autoRollback.events.length === 0) body.autoRollback.enabled = false;
  const parsed = groupBody.safeParse(body);
  if (!parsed.success) return cannot('settings', problemOf(parsed.error));
  return {
    ok: true,
    wanted: { ...parsed.data, application: info.applicationName ?? '' },
    losses: lossesOf(info),
    notes: notesOf(info),
  };
}

/** Why a group cannot use its config; null when it can. `carriedConfigs` are the account's own that are, or will be, here. */
export function configProblem(name: string, carriedConfigs: ReadonlySet<string>): Remark | null {
  if (PREDEFINED.includes(name) || carriedConfigs.has(name)) return null;
  return remark('deployment-config', `its deployment config ${name} cannot be carried over`);
}

/** Settings of a group that is here and differ from what the account's has. */
export function differencesOf(here: DeploymentGroup, wanted: WantedGroup): Remark[] {
  const parts = ['selection', 'deploymentConfigName', 'autoRollback', 'outdatedInstancesStrategy', 'triggers'] as const;
  return parts
    .filter((part) => canonical(here[part]) !== canonical(wanted[part]))
    .map((part) => remark(part, `${part} is ${short(here[part])} here, ${short(wanted[part])} there`));
}

function selectionOf(info: DeploymentGroupInfo): HostSelection {
  const [tagSet = [], ...alternativeTagSets] = [
    info.ec2TagSet?.ec2TagSetList,
    info.onPremisesTagSet?.onPremisesTagSetList,
  ]
    .map((lists) => (lists ?? []).map((list) => list.map(tagFilterOf)))
    .filter((lists) => lists.length > 0);
  return {
    tagFilters: [...(info.ec2TagFilters ?? []), ...(info.onPremisesInstanceTagFilters ?? [])].map(tagFilterOf),
    tagSet,
    ...(alternativeTagSets.length === 0 ? {} : { alternativeTagSets }),
    hostNames: [],
    scalingGroups: (info.autoScalingGroups ?? []).flatMap((group) => group.name ?? []),
  };
}

function tagFilterOf({ Type, Key, Value }: EC2TagFilter | AwsTagFilter): TagFilter {
  switch (Type) {
    case 'KEY_ONLY':
      return { type: 'KEY_ONLY', key: Key ?? '' };
    case 'VALUE_ONLY':
      return { type: 'VALUE_ONLY', value: Value ?? '' };
    default:
      return { type: 'KEY_AND_VALUE', key: Key ?? '', value: Value ?? '' };
  }
}

function lossesOf(info: DeploymentGroupInfo): Remark[] {
  const losses: Remark[] = [];
  if (info.deploymentStyle?.deploymentOption === 'WITH_TRAFFIC_CONTROL') {
    const { elbInfoList = [], targetGroupInfoList = [] } = info.loadBalancerInfo ?? {};
    const names = [...elbInfoList, ...targetGroupInfoList].flatMap((one) => one.name ?? []);
    losses.push(
      remark(
        'load-balancer',
        `hosts are not taken out of ${names.join(', ') || 'the load balancer'} while they are deployed to`,
      ),
    );
  }
  const { alarmConfiguration: alarms } = info;
  if (alarms?.enabled === true) {
    const names = (alarms.alarms ?? []).flatMap((alarm) => alarm.name ?? []);
    losses.push(remark('alarms', `no deployment is stopped by the alarms ${names.join(', ')}`));
  }
  if (info.terminationHookEnabled === true)
    losses.push(remark('termination-hook', 'nothing is run when an instance of its Auto Scaling groups is terminated'));
  return losses;
}

function notesOf(info: DeploymentGroupInfo): Remark[] {
  const notes: Remark[] = [];
  const hasEc2Tags = (info.ec2TagFilters ?? []).length + (info.ec2TagSet?.ec2TagSetList ?? []).length > 0;
  if (hasEc2Tags)
    notes.push(remark('ec2-tags', "EC2 tag filters match hosts' tags here, which come from their join token"));
  if ((info.autoScalingGroups ?? []).length > 0)
    notes.push(
      remark(
        'scaling-groups',
        'hosts belong to a scaling group by their join token; no hook is set up in Auto Scaling',
      ),
    );
  if ((info.triggerConfigurations ?? []).length > 0)
    notes.push(remark('triggers', "its triggers need sns in the coordinator's configuration"));
  return notes;
}

function carried<Wanted>(wanted: Wanted): Translated<Wanted> {
  return { ok: true, wanted, losses: [], notes: [] };
}

function cannot(code: string, text: string): { ok: false; reasons: Remark[] } {
  return { ok: false, reasons: [remark(code, text)] };
}

function problemOf(error: z.ZodError): string {
  const [issue] = error.issues;
  const path = issue?.path.join('.') ?? '';
  return `${path === '' ? '' : `${path}: `}${issue?.message ?? 'not as expected'}`;
}

/** Equal values have equal texts, whatever the order of keys, of events and of what a union is made of. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).sort().join()}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? '';
  const entries = Object.entries(value).filter(([, inner]) => inner !== undefined);
  return `{${entries
    .map(([key, inner]) => `${key}:${canonical(inner)}`)
    .sort()
    .join()}}`;
}

function short(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return text.length <= 160 ? text : `${text.slice(0, 157)}...`;
}

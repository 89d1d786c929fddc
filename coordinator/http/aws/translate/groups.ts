import type {
  AutoRollback,
  DeploymentGroupSettings,
  HostSelection,
} from '../../../../shared/model/deployment-group.ts';
import {
  MAX_TRIGGER_NAME,
  MAX_TRIGGER_TARGET,
  parseTriggerTarget,
  type Trigger,
} from '../../../../shared/model/trigger.ts';
import type { AwsGroupSettings } from '../../../domain/aws-group-settings.ts';
import { AwsException } from '../exceptions.ts';
import type { Value } from '../model.ts';
import { fromTagFilter, toTagFilter } from './tags.ts';

/** What CodeDeploy's API says of a group that Drover's settings have in another form, or not at all. */
export type GroupForms = Pick<
  Value<'CreateDeploymentGroupInput'>,
  | 'ec2TagFilters'
  | 'onPremisesInstanceTagFilters'
  | 'ec2TagSet'
  | 'onPremisesTagSet'
  | 'serviceRoleArn'
  | 'alarmConfiguration'
  | 'autoRollbackConfiguration'
  | 'deploymentStyle'
  | 'blueGreenDeploymentConfiguration'
  | 'loadBalancerInfo'
  | 'terminationHookEnabled'
>;
const FORMS = [
  'ec2TagFilters',
  'onPremisesInstanceTagFilters',
  'ec2TagSet',
  'onPremisesTagSet',
  'serviceRoleArn',
  'alarmConfiguration',
  'autoRollbackConfiguration',
  'deploymentStyle',
  'blueGreenDeploymentConfiguration',
  'loadBalancerInfo',
  'terminationHookEnabled',
] as const satisfies readonly (keyof GroupForms)[];

/** Source for the three numbers: CodeDeploy User Guide, "Limits"; API Reference, TagSetListLimitExceededException. */
const MAX_FILTERS = 10;
const MAX_TAG_LISTS = 3;
const MAX_NAMED = 10;
/** Source: IAM User Guide, "IAM identifiers". */
const ROLE_ARN = /^arn:[a-z-]+:iam::\d{12}:role\/[\w+=,.@/-]{1,576}$/;

type GroupInput = Value<'CreateDeploymentGroupInput'> & Value<'UpdateDeploymentGroupInput'>;

/** How a request changes a group: what it leaves out stays, an empty list clears. */
export function changedForms(before: GroupForms, input: GroupInput): GroupForms {
  const after: GroupForms = { ...before };
  for (const form of FORMS) if (input[form] !== undefined) Object.assign(after, { [form]: input[form] });
  // The two forms of one kind exclude each other: giving one gives up the other.
  if (hasSet(input.ec2TagSet?.ec2TagSetList) && input.ec2TagFilters === undefined) after.ec2TagFilters = [];
  if (hasSet(input.ec2TagFilters) && input.ec2TagSet === undefined) after.ec2TagSet = undefined;
  if (hasSet(input.onPremisesTagSet?.onPremisesTagSetList) && input.onPremisesInstanceTagFilters === undefined)
    after.onPremisesInstanceTagFilters = [];
  if (hasSet(input.onPremisesInstanceTagFilters) && input.onPremisesTagSet === undefined)
    after.onPremisesTagSet = undefined;
  return after;
}

/** Whether a request says anything of which hosts the group has. */
export function changesSelection(input: GroupInput): boolean {
  return (
    input.ec2TagFilters !== undefined ||
    input.onPremisesInstanceTagFilters !== undefined ||
    input.ec2TagSet !== undefined ||
    input.onPremisesTagSet !== undefined ||
    input.autoScalingGroups !== undefined
  );
}

/**
 * Which hosts the forms select: the union of all of them. What CodeDeploy has no form for stays as it was before: hosts that were chosen
 * by name, and tag sets beyond the two that there are forms for.
 */
export function toSelection(
  forms: GroupForms,
  scalingGroups: readonly string[],
  before: Pick<HostSelection, 'hostNames' | 'alternativeTagSets'>,
): HostSelection {
  const ec2 = forms.ec2TagFilters ?? [];
  const onPremises = forms.onPremisesInstanceTagFilters ?? [];
  const [tagSet = [], ...others] = [
    (forms.ec2TagSet?.ec2TagSetList ?? []).map((list) => list.map((one) => toTagFilter(one, 'InvalidEC2TagException'))),
    (forms.onPremisesTagSet?.onPremisesTagSetList ?? []).map((list) =>
      list.map((one) => toTagFilter(one, 'InvalidTagException')),
    ),
  ].filter((set) => set.length > 0);
  const more = [...others, ...(before.alternativeTagSets ?? []).slice(1)];
  return {
    tagFilters: [
      ...ec2.map((one) => toTagFilter(one, 'InvalidEC2TagException')),
      ...onPremises.map((one) => toTagFilter(one, 'InvalidTagException')),
    ],
    tagSet,
    ...(more.length === 0 ? {} : { alternativeTagSets: more }),
    hostNames: [...before.hostNames],
    scalingGroups: [...scalingGroups],
  };
}

/** Checked by {@link checkForms}; an event that is given twice counts once. */
export function toTriggers(given: Value<'TriggerConfigList'>): Trigger[] {
  return given.map(({ triggerName = '', triggerTargetArn = '', triggerEvents = [] }) => ({
    name: triggerName,
    target: triggerTargetArn,
    events: [...new Set(triggerEvents)],
  }));
}

export function fromTriggers(triggers: readonly Trigger[]): Value<'TriggerConfigList'> {
  return triggers.map(({ name, target, events }) => ({
    triggerName: name,
    triggerTargetArn: target,
    triggerEvents: [...events],
  }));
}

/** @throws AwsException `InvalidAutoRollbackConfigException` */
export function toAutoRollback(given: Value<'AutoRollbackConfiguration'> | undefined): AutoRollback {
  const { enabled = false, events = [] } = given ?? {};
  if (enabled && events.length === 0)
    throw new AwsException('InvalidAutoRollbackConfigException', 'enabled rollback needs at least one event');
  if (new Set(events).size !== events.length)
    throw new AwsException('InvalidAutoRollbackConfigException', 'an event is given twice');
  return autoRollbackOf(given);
}

/** CodeDeploy's default is no rollback; alarms start none, since none are watched. */
function autoRollbackOf(given: Value<'AutoRollbackConfiguration'> | undefined): AutoRollback {
  const { enabled = false, events = [] } = given ?? {};
  return { enabled, events: events.filter((event) => event !== 'DEPLOYMENT_STOP_ON_ALARM') };
}

/**
 * What a group's forms are now. They are as they were given, unless the group was changed by other means since: then they are
 * made of what it is.
 */
export function formsOf(settings: DeploymentGroupSettings, stored: AwsGroupSettings): GroupForms {
  // Written by this layer alone, after it was checked against the model.
  const forms = stored as GroupForms;
  const { selection } = settings;
  const isSame = sameText(toSelection(forms, selection.scalingGroups, selection), selection);
  // Not checked again: what Drover's own API takes is kept in these forms, too, and a group is not to be refused for what it is.
  const isSameRollback = sameText(autoRollbackOf(forms.autoRollbackConfiguration), settings.autoRollback);
  return {
    ...forms,
    ...(isSame ? {} : formsOfSelection(selection)),
    ...(isSameRollback ? {} : { autoRollbackConfiguration: settings.autoRollback }),
  };
}

function formsOfSelection(selection: HostSelection): GroupForms {
  const [other] = selection.alternativeTagSets ?? [];
  return {
    ec2TagFilters: [],
    onPremisesInstanceTagFilters: selection.tagFilters.map(fromTagFilter),
    onPremisesTagSet:
      selection.tagSet.length === 0
        ? undefined
        : { onPremisesTagSetList: selection.tagSet.map((list) => list.map(fromTagFilter)) },
    ec2TagSet: other === undefined ? undefined : { ec2TagSetList: other.map((list) => list.map(fromTagFilter)) },
  };
}

/**
 * Refuses what would be kept and not acted on though somebody's safety or traffic hangs on it, and what cannot be.
 * @throws AwsException with the name that CodeDeploy has for the member
 */
export function checkForms(input: GroupInput): void {
  if (hasSet(input.ec2TagFilters) && hasSet(input.ec2TagSet?.ec2TagSetList))
    throw new AwsException('InvalidEC2TagCombinationException', 'give ec2TagFilters or ec2TagSet, not both');
  if (hasSet(input.onPremisesInstanceTagFilters) && hasSet(input.onPremisesTagSet?.onPremisesTagSetList))
    throw new AwsException(
      'InvalidOnPremisesTagCombinationException',
      'give onPremisesInstanceTagFilters or onPremisesTagSet, not both',
    );
  checkLists([input.ec2TagFilters ?? []], 'InvalidEC2TagException');
  checkLists([input.onPremisesInstanceTagFilters ?? []], 'InvalidTagException');
  checkSet(input.ec2TagSet?.ec2TagSetList ?? [], 'InvalidEC2TagException');
  checkSet(input.onPremisesTagSet?.onPremisesTagSetList ?? [], 'InvalidTagException');
  if ((input.autoScalingGroups?.length ?? 0) > MAX_NAMED)
    throw new AwsException('InvalidAutoScalingGroupException', `at most ${MAX_NAMED} scaling groups`);
  if (hasSet(input.ecsServices))
    throw new AwsException('InvalidECSServiceException', 'ECS is not served: Drover deploys to hosts');
  if (input.serviceRoleArn !== undefined && !ROLE_ARN.test(input.serviceRoleArn))
    throw new AwsException('InvalidRoleException', 'serviceRoleArn is arn:aws:iam::<12 digits>:role/<name>');
  checkStyle(input);
  checkLoadBalancers(input.loadBalancerInfo);
  checkTriggers(input.triggerConfigurations ?? []);
  checkAlarms(input.alarmConfiguration);
  if (input.terminationHookEnabled === true)
    throw new AwsException('InvalidInputException', 'terminationHookEnabled is not served: no hook would be run');
}

/** @throws AwsException `InvalidAlarmConfigException`, `AlarmsLimitExceededException` */
export function checkAlarms(alarms: Value<'AlarmConfiguration'> | undefined): void {
  if ((alarms?.alarms?.length ?? 0) > MAX_NAMED)
    throw new AwsException('AlarmsLimitExceededException', `at most ${MAX_NAMED} alarms`);
  if (alarms?.enabled === true)
    throw new AwsException(
      'InvalidAlarmConfigException',
      'alarms are not watched yet, and a deployment must not count on them: set enabled to false',
    );
}

function checkStyle(input: GroupInput): void {
  const { deploymentType = 'IN_PLACE', deploymentOption = 'WITHOUT_TRAFFIC_CONTROL' } = input.deploymentStyle ?? {};
  if (deploymentType !== 'IN_PLACE')
    throw new AwsException(
      'InvalidDeploymentStyleException',
      'blue/green is not served yet: deploymentType is IN_PLACE',
    );
  if (deploymentOption !== 'WITHOUT_TRAFFIC_CONTROL')
    throw new AwsException(
      'InvalidDeploymentStyleException',
      'load balancers are not driven yet: deploymentOption is WITHOUT_TRAFFIC_CONTROL',
    );
}

function checkLoadBalancers(info: GroupInput['loadBalancerInfo']): void {
  if (hasSet(info?.targetGroupPairInfoList))
    throw new AwsException(
      'InvalidTargetGroupPairException',
      'targetGroupPairInfoList is for ECS: a Server group has targetGroupInfoList or elbInfoList',
    );
  for (const { name } of [...(info?.elbInfoList ?? []), ...(info?.targetGroupInfoList ?? [])])
    if (!name) throw new AwsException('InvalidLoadBalancerInfoException', 'a load balancer or target group has a name');
}

function checkTriggers(triggers: Value<'TriggerConfigList'>): void {
  if (triggers.length > MAX_NAMED)
    throw new AwsException('TriggerTargetsLimitExceededException', `at most ${MAX_NAMED} triggers`);
  const names = triggers.map((one) => one.triggerName);
  for (const { triggerName, triggerTargetArn, triggerEvents } of triggers)
    if (!triggerName || !triggerTargetArn || !hasSet(triggerEvents))
      throw new AwsException(
        'InvalidTriggerConfigException',
        'a trigger has a triggerName, a triggerTargetArn and at least one event',
      );
    else if (triggerName.length > MAX_TRIGGER_NAME || triggerTargetArn.length > MAX_TRIGGER_TARGET)
      throw new AwsException(
        'InvalidTriggerConfigException',
        `a triggerName has at most ${MAX_TRIGGER_NAME} characters, a triggerTargetArn ${MAX_TRIGGER_TARGET}`,
      );
    else if (parseTriggerTarget(triggerTargetArn) === null)
      throw new AwsException(
        'InvalidTriggerConfigException',
        `${triggerTargetArn.slice(0, 256)} is neither the ARN of an SNS topic nor an http or https address`,
      );
  if (new Set(names).size !== names.length)
    throw new AwsException('InvalidTriggerConfigException', 'two triggers have the same name');
}

function checkSet(lists: readonly (readonly unknown[])[], exception: string): void {
  if (lists.length > MAX_TAG_LISTS)
    throw new AwsException('TagSetListLimitExceededException', `a tag set has at most ${MAX_TAG_LISTS} lists`);
  if (lists.some((list) => list.length === 0)) throw new AwsException(exception, 'a list of a tag set is empty');
  checkLists(lists, exception);
}

function checkLists(lists: readonly (readonly unknown[])[], exception: string): void {
  if (lists.some((list) => list.length > MAX_FILTERS))
    throw new AwsException(exception, `at most ${MAX_FILTERS} tag filters in a list`);
}

function hasSet(list: readonly unknown[] | undefined): boolean {
  return list !== undefined && list.length > 0;
}

/** Equal as JSON, whatever the order of keys. */
function sameText(a: object, b: object): boolean {
  return sorted(a) === sorted(b);
}

function sorted(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) =>
    typeof part === 'object' && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([x], [y]) => (x < y ? -1 : 1)))
      : part,
  );
}

import type { DeploymentConfig } from '../../../shared/model/deployment-config.ts';
import type { DeploymentGroup } from '../../../shared/model/deployment-group.ts';
import type { DroverClient } from '../../../shared/sdk/drover-client.ts';
import { collect } from '../collect.ts';
import { CommandFailure } from '../exit-codes.ts';
import type { CodeDeploySource } from './codedeploy-source.ts';
import { type ImportItem, type ImportState, type Remark, remark } from './import-item.ts';
import { locationName, type WantedRevision, wantedRevision } from './revisions.ts';
import type { S3Bundles } from './s3-bundles.ts';
import {
  configProblem,
  differencesOf,
  type MinimumHealthyHosts,
  translateApplication,
  translateConfig,
  translateGroup,
  type WantedGroup,
} from './translate.ts';

export interface PlanOptions {
  /** Undefined: all of the account. */
  applications: readonly string[] | undefined;
  revisions: 'none' | 'deployed' | 'all';
  /** Groups are created also without what cannot be carried over. */
  isPartial: boolean;
}

/** An item of the plan, with what creating it takes. */
export type PlannedItem =
  | (ImportItem & { kind: 'deployment-config'; wanted?: { name: string; minimum: MinimumHealthyHosts } })
  | (ImportItem & { kind: 'application'; wanted?: { name: string } })
  | (ImportItem & { kind: 'deployment-group'; wanted?: WantedGroup })
  | (ImportItem & { kind: 'revision'; wanted?: WantedRevision })
  | (ImportItem & { kind: 'on-premises-instance' });

/** Of each application, when all revisions are asked for: the newest ones. */
export const MAX_REVISIONS = 100;

interface Parts {
  source: CodeDeploySource;
  bundles: S3Bundles;
  client: DroverClient;
  options: PlanOptions;
}

/**
 * What the account has, what of it is here, and what would be created: in an order in which it can be. It changes nothing. What
 * the credentials may not read is an item that says so; only the list of applications is needed in any case.
 */
export async function planImport({ source, bundles, client, options }: Parts): Promise<PlannedItem[]> {
  const items: PlannedItem[] = [];
  const here = await collect(client.all('listApplications', {}));
  const known = new Set(here.map((one) => one.name));
  const infos = await source.applications(options.applications);
  const groups: { application: string; isKnown: boolean; infos: Awaited<ReturnType<CodeDeploySource['groups']>> }[] =
    [];
  const applications: PlannedItem[] = [];
  for (const info of infos) {
    const name = info.applicationName ?? '';
    const translated = translateApplication(info);
    if (!translated.ok) {
      applications.push(item('application', name, 'cannot', translated.reasons));
      continue;
    }
    const isKnown = known.has(name);
    applications.push({ ...item('application', name, isKnown ? 'same' : 'create'), wanted: translated.wanted });
    const read = await tolerant(() => source.groups(name));
    if ('problem' in read) applications.push(item('deployment-group', `${name}/*`, 'cannot', [read.problem]));
    else groups.push({ application: name, isKnown, infos: read.value });
  }

  const used = new Set(groups.flatMap((one) => one.infos.flatMap((info) => info.deploymentConfigName ?? [])));
  const configs = await planConfigs({ source, client, used: options.applications === undefined ? undefined : used });
  items.push(...configs, ...applications);
  const carried = new Set(configs.filter((one) => one.state !== 'cannot').map((one) => one.name));
  for (const { application, isKnown, infos: groupInfos } of groups) {
    const existing = isKnown ? await collect(client.all('listDeploymentGroups', { application })) : [];
    for (const info of groupInfos) items.push(planGroup(info, { existing, carried, isPartial: options.isPartial }));
  }
  for (const { application, isKnown, infos: groupInfos } of groups)
    items.push(...(await planRevisions({ source, bundles, client, options }, { application, isKnown, groupInfos })));
  if (options.applications === undefined) items.push(...(await planInstances(source, client)));
  return items;
}

async function planConfigs(parts: {
  source: CodeDeploySource;
  client: DroverClient;
  /** Undefined: all. */
  used: ReadonlySet<string> | undefined;
}): Promise<PlannedItem[]> {
  const { source, client, used } = parts;
  const listed = await tolerant(() => source.configNames());
  if ('problem' in listed) return [item('deployment-config', '*', 'cannot', [listed.problem])];
  const here = new Map((await collect(client.all('listDeploymentConfigs', {}))).map((one) => [one.name, one]));
  const items: PlannedItem[] = [];
  for (const name of listed.value.filter((one) => used === undefined || used.has(one))) {
    const read = await tolerant(() => source.config(name));
    if ('problem' in read) {
      items.push(item('deployment-config', name, 'cannot', [read.problem]));
      continue;
    }
    const translated = translateConfig(read.value);
    if (!translated.ok) items.push(item('deployment-config', name, 'cannot', translated.reasons));
    else items.push(planConfig(translated.wanted, here.get(name)));
  }
  return items;
}

function planConfig(
  wanted: { name: string; minimum: MinimumHealthyHosts },
  here: DeploymentConfig | undefined,
): PlannedItem {
  const { name, minimum } = wanted;
  if (here === undefined) return { ...item('deployment-config', name, 'create'), wanted };
  const { type, value } = here.minimumHealthyHosts;
  if (type === minimum.type && value === minimum.value) return item('deployment-config', name, 'same');
  const told = `its minimum of healthy hosts is ${type} ${value} here, ${minimum.type} ${minimum.value} there`;
  return item('deployment-config', name, 'differs', [remark('minimum-healthy-hosts', told)]);
}

function planGroup(
  info: Awaited<ReturnType<CodeDeploySource['groups']>>[number],
  context: { existing: readonly DeploymentGroup[]; carried: ReadonlySet<string>; isPartial: boolean },
): PlannedItem {
  const name = `${info.applicationName}/${info.deploymentGroupName}`;
  const translated = translateGroup(info);
  if (!translated.ok) return item('deployment-group', name, 'cannot', translated.reasons);
  const { wanted, losses, notes } = translated;
  const here = context.existing.find((group) => group.name === wanted.name);
  if (here !== undefined) {
    const differences = differencesOf(here, wanted);
    return item('deployment-group', name, differences.length === 0 ? 'same' : 'differs', differences, [
      ...losses,
      ...notes,
    ]);
  }
  const configIsMissing = configProblem(wanted.deploymentConfigName, context.carried);
  if (configIsMissing !== null) return item('deployment-group', name, 'cannot', [configIsMissing]);
  if (losses.length > 0 && !context.isPartial) return item('deployment-group', name, 'cannot', losses);
  return { ...item('deployment-group', name, 'create', [], [...losses, ...notes]), wanted };
}

async function planRevisions(
  { source, bundles, client, options }: Parts,
  of: { application: string; isKnown: boolean; groupInfos: Awaited<ReturnType<CodeDeploySource['groups']>> },
): Promise<PlannedItem[]> {
  const { application, isKnown, groupInfos } = of;
  if (options.revisions === 'none') return [];
  const deployed = groupInfos.flatMap((info) => info.targetRevision ?? []);
  const read =
    options.revisions === 'deployed'
      ? { value: deployed }
      : await tolerant(async () =>
          // The oldest first: what is registered last is `latest` here, and is deployed where nobody names a revision.
          (await source.revisions(application, MAX_REVISIONS)).toReversed(),
        );
  if ('problem' in read) return [item('revision', `${application} *`, 'cannot', [read.problem])];
  const labels = new Set(
    isKnown ? (await collect(client.all('listRevisions', { application }))).map((one) => one.label) : [],
  );
  const planned = new Map<string, PlannedItem>();
  for (const location of read.value) {
    const wanted = wantedRevision(application, location);
    const name = `${application} ${locationName(location)}`;
    if ('code' in wanted) planned.set(name, item('revision', name, 'cannot', [wanted]));
    else if (planned.has(wanted.label)) continue;
    else if (labels.has(wanted.label)) planned.set(wanted.label, item('revision', name, 'same'));
    else {
      const problem = wanted.from.kind === 's3' ? await bundles.look(wanted.from) : null;
      const cannotRead = problem !== null && 'code' in problem;
      planned.set(
        wanted.label,
        cannotRead ? item('revision', name, 'cannot', [problem]) : { ...item('revision', name, 'create'), wanted },
      );
    }
  }
  return [...planned.values()];
}

/** Hosts enrol themselves: all that can be done is to say with which tags. */
async function planInstances(source: CodeDeploySource, client: DroverClient): Promise<PlannedItem[]> {
  const read = await tolerant(() => source.instances());
  if ('problem' in read) return [item('on-premises-instance', '*', 'cannot', [read.problem])];
  if (read.value.length === 0) return [];
  const here = new Set((await collect(client.all('listHosts', {}))).map((host) => host.name));
  return read.value.map(({ instanceName: name = '', tags = [] }) => {
    if (here.has(name)) return item('on-premises-instance', name, 'same');
    const flags = tags.map((tag) => ` --tag ${tag.Key}=${tag.Value}`).join('');
    const how = `a host enrols itself: drover hosts enrol-token${flags}, then drover-agent enrol on it`;
    return item('on-premises-instance', name, 'cannot', [remark('enrol', how)]);
  });
}

/** What the credentials may not read does not stop the rest. */
async function tolerant<Value>(read: () => Promise<Value>): Promise<{ value: Value } | { problem: Remark }> {
  try {
    return { value: await read() };
  } catch (error) {
    if (error instanceof CommandFailure && error.exit === 'not-permitted')
      return { problem: remark('not-permitted', error.message) };
    throw error;
  }
}

function item<Kind extends ImportItem['kind']>(
  kind: Kind,
  name: string,
  state: ImportState,
  reasons: readonly Remark[] = [],
  notes: readonly Remark[] = [],
): ImportItem & { kind: Kind } {
  return { kind, name, state, reasons, notes };
}

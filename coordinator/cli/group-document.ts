import { type Document, isMap, LineCounter, parseAllDocuments, stringify } from 'yaml';
import type * as z from 'zod';
import { deploymentGroupRoutes } from '../../shared/api/deployment-groups.ts';
import { formatProblem } from '../../shared/appspec/format.ts';
import { resourceName } from '../../shared/model/application.ts';
import type { DeploymentGroup } from '../../shared/model/deployment-group.ts';
import { CommandFailure } from './exit-codes.ts';

/** A deployment group in a file: what creates it, with its application. What is absent has its default. */
const groupDocument = deploymentGroupRoutes.createDeploymentGroup.body.extend({ application: resourceName });
export type GroupDocument = z.output<typeof groupDocument>;

/** The settings of a group as YAML that `drover groups apply` reads. */
export function groupToYaml(
  group: Omit<GroupDocument, 'hookEnvironment' | 'triggers' | 'transientUnits'> &
    Pick<DeploymentGroup, 'hookEnvironment' | 'triggers' | 'transientUnits'>,
): string {
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
  return stringify({
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
}

/**
 * The groups that a file tells: one or more YAML documents.
 * @throws CommandFailure `usage` with file:line:column, the line and a caret for everything that is wrong
 */
export function parseGroupDocuments(source: string, fileName: string): GroupDocument[] {
  const lineCounter = new LineCounter();
  const documents = parseAllDocuments(source, { lineCounter });
  const problems: string[] = [];
  const groups: GroupDocument[] = [];
  const tell = (offset: number, path: string, message: string) => {
    const { line, col } = lineCounter.linePos(offset);
    const problem = { severity: 'error' as const, code: 'group', path, line, column: col, message, hint: null };
    problems.push(formatProblem(problem, source, fileName));
  };
  for (const document of Array.isArray(documents) ? documents : []) {
    for (const error of document.errors) tell(error.pos[0], '', error.message.split('\n')[0] ?? 'not YAML');
    if (document.errors.length > 0) continue;
    const parsed = groupDocument.safeParse(document.toJS());
    if (parsed.success) groups.push(parsed.data);
    else
      for (const issue of parsed.error.issues) tell(offsetOf(document, issue), issue.path.join('.'), sentenceOf(issue));
  }
  if (groups.length === 0 && problems.length === 0) tell(0, '', 'there is no deployment group in it');
  if (problems.length > 0)
    throw new CommandFailure('usage', `${fileName} is not right\n${problems.join('\n')}`, {
      hint: 'See how one is written: drover groups export <app>/<group>',
    });
  return groups;
}

function sentenceOf(issue: z.core.$ZodIssue): string {
  const where = issue.path.length === 0 ? '' : `${issue.path.join('.')}: `;
  return `${where}${issue.message}`;
}

/** Where in the text an issue is: its node, or the key that is not known, or the nearest node above. */
function offsetOf(document: Document, issue: z.core.$ZodIssue): number {
  for (let depth = issue.path.length; depth >= 0; depth--) {
    const node: unknown = depth === 0 ? document.contents : document.getIn(issue.path.slice(0, depth), true);
    if (issue.code === 'unrecognized_keys' && isMap(node)) {
      const key = node.items.find((pair) => String(pair.key) === issue.keys[0])?.key;
      if (hasRange(key)) return key.range[0];
    }
    if (hasRange(node)) return node.range[0];
  }
  return 0;
}

function hasRange(node: unknown): node is { range: [number, number, number] } {
  return typeof node === 'object' && node !== null && 'range' in node && Array.isArray(node.range);
}

import { type Mutant, one } from './mutant.ts';

/** Bugs with two deployment groups of one application: nothing shows them while each application has one group only. */
export const GROUP_MUTANTS: readonly Mutant[] = [
  one(
    'anothers-files-replaced',
    'an install that is to leave alone what it finds (DISALLOW) replaces what another group has installed',
    'agent/install/instructions.ts',
    [
      "} else if (request.fileExistsBehavior === 'DISALLOW') inTheWay.push(path);",
      `} else if (
      request.fileExistsBehavior === 'DISALLOW' &&
      !(await Promise.all((await request.otherGroups()).map((group) => readManifest(disk, group)))).some(
        (manifest) => manifest?.files.includes(path) === true,
      )
    )
      inTheWay.push(path);`,
    ],
  ),
  one(
    'stops-what-another-installed',
    'ApplicationStop is that of the revision that any group has installed last',
    'agent/deployment/deployment.ts',
    [
      'const installed = parts.journal.state.installed[assignment.deploymentGroupId];\n  if (installed === undefined) return null;',
      'const installed = Object.values(parts.journal.state.installed).sort((a, b) => a.at - b.at).at(-1);\n  if (installed === undefined) return null;',
    ],
  ),
  one(
    'taken-by-the-wrong-group',
    'what another group of the application has taken out of service is not counted',
    'coordinator/engine/view-loader.ts',
    ['AND +d.group_id <> ? AND h.presence', 'AND +d.group_id = ? AND h.presence'],
  ),
  one(
    'gone-over-as-before',
    'a host that was reached by an earlier deployment after it had gone over is told as what it was before',
    'coordinator/services/report-batch.ts',
    ['if (!target.isMember) goneOver.push', 'if (target.id < 0) goneOver.push'],
  ),
  one(
    'ready-beside-another-group',
    'a host is ready while a deployment of another group of the application runs on it',
    'coordinator/services/readiness.ts',
    [".onRef('d.application', '=', 'g.application')", ".onRef('d.group_id', '=', 'm.group_id')"],
  ),
];

import { OPERATIONS, type OperationName } from '../../../coordinator/http/aws/model.ts';
import { applicationExceptions } from './applications.ts';
import type { CasesOf, ExceptionCase, Provoked } from './cases.ts';
import { deploymentConfigExceptions } from './deployment-configs.ts';
import { deploymentGroupExceptions } from './deployment-groups.ts';
import { deploymentExceptions } from './deployments.ts';
import { onPremisesExceptions } from './on-premises-instances.ts';
import { otherExceptions } from './others.ts';
import { revisionExceptions } from './revisions.ts';
import { targetExceptions } from './targets.ts';

/** By area; each has a test file of its own. */
const AREAS = {
  applications: applicationExceptions,
  'deployment-configs': deploymentConfigExceptions,
  'deployment-groups': deploymentGroupExceptions,
  deployments: deploymentExceptions,
  'on-premises-instances': onPremisesExceptions,
  others: otherExceptions,
  revisions: revisionExceptions,
  targets: targetExceptions,
} as const;
export type Area = keyof typeof AREAS;
export const AREA_NAMES = Object.keys(AREAS) as Area[];

// Every operation of the model is in one of them: one that is not, does not compile.
({
  ...applicationExceptions,
  ...deploymentConfigExceptions,
  ...deploymentGroupExceptions,
  ...deploymentExceptions,
  ...onPremisesExceptions,
  ...otherExceptions,
  ...revisionExceptions,
  ...targetExceptions,
}) satisfies CasesOf<OperationName>;

export interface KnownException {
  area: Area;
  operation: OperationName;
  exception: string;
  known: ExceptionCase;
}

export function areaCases(area: Area): KnownException[] {
  return Object.entries(AREAS[area]).flatMap(([operation, cases]) =>
    Object.entries(cases as Record<string, ExceptionCase>).map(([exception, known]) => ({
      area,
      // The tables' types have operations as their keys.
      operation: operation as OperationName,
      exception,
      known,
    })),
  );
}

export function titleOf(operation: OperationName, exception: string, { when }: Provoked): string {
  return `${operation} answers ${exception} for ${when}`;
}

export function testFileOf(area: Area): string {
  return `test/integration/aws-exceptions-${area}.test.ts`;
}

/** Every pair that the model has, in its order; undefined where nobody has thought of it. */
export function modelledExceptions(): {
  operation: OperationName;
  exception: string;
  found: KnownException | undefined;
}[] {
  const all = AREA_NAMES.flatMap(areaCases);
  return Object.entries(OPERATIONS).flatMap(([operation, { errors }]) =>
    errors.map((exception) => ({
      operation: operation as OperationName,
      exception,
      found: all.find((one) => one.operation === operation && one.exception === exception),
    })),
  );
}

export const TABLE_BEGIN = '<!-- exceptions: written by .ci/generate-aws-exceptions.mjs -->';
export const TABLE_END = '<!-- end of exceptions -->';

/** The table for docs/aws-compatibility.md. */
export function exceptionsTable(): string {
  const rows = modelledExceptions().map(({ operation, exception, found }) => {
    const { known, area } = found ?? { known: { never: '' }, area: '' };
    const cell = 'never' in known ? `cannot be met: ${known.never}` : `${area}: ${known.when}`;
    return `| ${operation} | ${exception.replace(/Exception$/, '')} | ${cell} |`;
  });
  return ['| operation | exception | test, or why there is none |', '|---|---|---|', ...rows].join('\n');
}

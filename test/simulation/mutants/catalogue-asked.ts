import { type Mutant, one } from './mutant.ts';

/** Bugs in what becomes of an operator's word, and in what an operator is told. */
export const ASKED_MUTANTS: readonly Mutant[] = [
  one(
    'part-is-the-whole',
    'a deployment to two hosts goes to all of the group',
    'coordinator/services/target-plan.ts',
    ['(wanted.onlyHostNames === undefined || wanted.onlyHostNames.includes(host.name)) &&', ''],
  ),
  one(
    'part-taken-for-the-whole',
    'what is tried out on a part becomes the good revision, and everybody gets it',
    'coordinator/services/target-plan.ts',
    ['isPartial: isRestricted && chosen.length < all.length', 'isPartial: isRestricted && chosen.length > all.length'],
  ),
  one(
    'up-to-date-taken-too',
    'a deployment to outdated hosts takes those that serve the revision as well',
    'coordinator/services/target-plan.ts',
    [
      "(!wanted.updateOutdatedInstancesOnly || host.revisionId !== revisionId || host.instanceHealth === 'Unhealthy'),",
      "(!wanted.updateOutdatedInstancesOnly || host.revisionId !== null || host.instanceHealth === 'Unhealthy'),",
    ],
  ),
];

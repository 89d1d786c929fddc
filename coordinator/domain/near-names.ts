import { nearestName } from '../../shared/appspec/nearest.ts';

/** A hint for a name that does not exist: the nearest one that does, else the first few, else how to make one. */
export function nearNamesHint(written: string, known: readonly string[], whenNone: string): string {
  if (known.length === 0) return whenNone;
  const nearest = nearestName(written, known);
  if (nearest !== null) return `Did you mean ${nearest}?`;
  const shown = known.slice(0, 5).join(', ');
  return known.length > 5 ? `There are ${shown} and others.` : `There is ${shown}.`;
}

import type { ChosenContext } from './context.ts';

/** A place where a mistake hurts: its name says so. */
const PRODUCTION = /(^|[^a-z])(prod|production|live)([^a-z]|$)/i;

/** What has to be typed, or undefined when a yes is enough: the more hosts and the more danger, the more it asks. */
export function typedConfirmation(place: {
  application: string;
  group: string;
  context: Pick<ChosenContext, 'name'>;
  hostCount: number;
}): string | undefined {
  const isProduction = PRODUCTION.test(place.group) || PRODUCTION.test(place.context.name ?? '');
  return isProduction && place.hostCount > 1 ? `${place.application}/${place.group}` : undefined;
}

export function inContext(context: Pick<ChosenContext, 'name' | 'url'>): string {
  return `(context ${context.name ?? context.url})`;
}

import {
  DEPLOYMENT_TRIGGER_EVENTS,
  type Trigger,
  type TriggerEvent,
  triggerEvent,
} from '../../../shared/model/trigger.ts';
import { flag, texts } from '../command.ts';
import { usageError } from '../exit-codes.ts';
import { splitOnce } from './deploy.ts';

/** What a trigger of the command line is told of when no event is named; `Ready` is of blue/green deployments. */
const DEFAULT_EVENTS: TriggerEvent[] = DEPLOYMENT_TRIGGER_EVENTS.filter((event) => event !== 'DeploymentReady');

/** Flags of `groups create` and `groups edit`. Triggers with events of their own each are for `groups apply`. */
export const triggerSettings = {
  trigger: texts('--trigger <name=target>', 'tell an http(s) address or SNS topic what happens; repeatable', {
    group: 'How',
  }),
  triggerEvent: texts('--trigger-event <event>', 'of what these triggers tell (default: all of deployments)', {
    group: 'How',
    completes: triggerEvent.options,
  }),
  dropTriggers: flag('--drop-triggers', 'tell nobody any more', { group: 'How' }),
} as const;

export interface TriggerFlags {
  trigger?: string[] | undefined;
  triggerEvent?: string[] | undefined;
  dropTriggers?: boolean | undefined;
}

/** Undefined when the flags say nothing of triggers. */
export function triggersOf(flags: TriggerFlags): Trigger[] | undefined {
  if (flags.dropTriggers === true) {
    if (flags.trigger !== undefined) throw usageError('give --trigger or --drop-triggers, not both');
    return [];
  }
  if (flags.trigger === undefined) {
    if (flags.triggerEvent !== undefined)
      throw usageError('--trigger-event needs --trigger', 'Name the trigger: --trigger name=https://...');
    return undefined;
  }
  const events = flags.triggerEvent?.map(eventOf) ?? DEFAULT_EVENTS;
  return flags.trigger.map((written) => {
    const [name, target] = splitOnce(written, '=');
    if (name === '' || target === undefined)
      throw usageError(
        `--trigger ${written} is not --trigger name=target`,
        'For example chat=https://chat.example/hook',
      );
    return { name, target, events: [...events] };
  });
}

function eventOf(written: string): TriggerEvent {
  const known = triggerEvent.options.find((event) => event.toLowerCase() === written.toLowerCase());
  if (known === undefined)
    throw usageError(`--trigger-event ${written} is not known`, `Use one of: ${triggerEvent.options.join(', ')}.`);
  return known;
}

import * as z from 'zod';

/** Source: CodeDeploy API reference, TriggerEventType; the ones that CodeDeploy has for servers. */
export const DEPLOYMENT_TRIGGER_EVENTS = [
  'DeploymentStart',
  'DeploymentSuccess',
  'DeploymentFailure',
  'DeploymentStop',
  'DeploymentRollback',
  'DeploymentReady',
] as const;
export const INSTANCE_TRIGGER_EVENTS = [
  'InstanceStart',
  'InstanceSuccess',
  'InstanceFailure',
  'InstanceReady',
] as const;
export type DeploymentTriggerEvent = (typeof DEPLOYMENT_TRIGGER_EVENTS)[number];
export type InstanceTriggerEvent = (typeof INSTANCE_TRIGGER_EVENTS)[number];

export const triggerEvent = z.enum([...DEPLOYMENT_TRIGGER_EVENTS, ...INSTANCE_TRIGGER_EVENTS]);
export type TriggerEvent = z.infer<typeof triggerEvent>;

const TOPIC_ARN = /^arn:[a-z-]+:sns:([a-z0-9-]{1,32}):\d{1,12}:[A-Za-z0-9_-]{1,256}(\.fifo)?$/;

/** Where a trigger's messages go: a topic of SNS's publish API, or a webhook. Null for what is neither. */
export function parseTriggerTarget(
  target: string,
): { kind: 'sns'; region: string; isFifo: boolean } | { kind: 'webhook'; url: URL } | null {
  const topic = TOPIC_ARN.exec(target);
  if (topic !== null) return { kind: 'sns', region: topic[1] ?? '', isFifo: topic[2] !== undefined };
  if (!URL.canParse(target)) return null;
  const url = new URL(target);
  const isWeb = url.protocol === 'https:' || url.protocol === 'http:';
  // A password in an address would stand in every list and log.
  return isWeb && url.username === '' && url.password === '' ? { kind: 'webhook', url } : null;
}

/** The most triggers of a group. Source: CodeDeploy User Guide, "Limits". */
export const MAX_TRIGGERS = 10;
export const MAX_TRIGGER_NAME = 256;
export const MAX_TRIGGER_TARGET = 2_048;

export const trigger = z.object({
  /** Tells the receiver which of the group's triggers it was; another one than every other of the group. */
  name: z.string().min(1).max(MAX_TRIGGER_NAME),
  /** `https://...`, `http://...`, or the ARN of an SNS topic. */
  target: z
    .string()
    .max(MAX_TRIGGER_TARGET)
    .refine((target) => parseTriggerTarget(target) !== null, {
      error: 'a trigger goes to an http or https address (without a password in it) or to the ARN of an SNS topic',
    }),
  events: z.array(triggerEvent).min(1).max(triggerEvent.options.length),
});
export type Trigger = z.infer<typeof trigger>;

export const triggers = z
  .array(trigger)
  .max(MAX_TRIGGERS)
  .refine((all) => new Set(all.map((one) => one.name)).size === all.length, 'two triggers have the same name');

/** A message of a trigger that has not been delivered. */
export const triggerMessage = z.object({
  /** The same in every attempt to deliver it: a receiver that has it already may drop it. */
  id: z.string(),
  /** `waiting`: it will be tried (again). `dead`: it was given up, until somebody asks for another try. */
  state: z.enum(['waiting', 'dead']),
  event: triggerEvent,
  triggerName: z.string(),
  target: z.string(),
  application: z.string(),
  deploymentGroup: z.string(),
  deploymentId: z.string(),
  /** Of an instance's event. */
  hostName: z.string().nullable(),
  createdAt: z.number().int(),
  attempts: z.number().int(),
  lastAttemptAt: z.number().int().nullable(),
  /** Why the last attempt failed, or why it was given up. */
  lastError: z.string().nullable(),
  /** When it is tried again; null when it is dead, or waits for one before it. */
  nextAttemptAt: z.number().int().nullable(),
  /** Since when it is dead. */
  deadAt: z.number().int().nullable(),
});
export type TriggerMessage = z.infer<typeof triggerMessage>;

/** With what is sent: SNS's subject, and the body. */
export const triggerMessageWithBody = triggerMessage.extend({ subject: z.string(), body: z.string() });

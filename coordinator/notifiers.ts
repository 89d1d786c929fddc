import type { Clock } from '../shared/core/clock.ts';
import { parseTriggerTarget } from '../shared/model/trigger.ts';
import { PROGRAM_VERSION } from '../shared/protocol/versions.ts';
import type { CoordinatorConfig } from './config.ts';
import { type Notifier, refused } from './notifications/notifier.ts';
import { createSnsNotifier } from './notifications/sns.ts';
import { createWebhookNotifier, webhookSecret } from './notifications/webhook.ts';
import { emptySecret, readSecret } from './secret-file.ts';

const userAgent = `drover-coordinator/${PROGRAM_VERSION}`;

/**
 * Sends each message by what its target is.
 * @throws AppError `invalid` when a file with a secret cannot be read, or is empty
 */
export async function createNotifier(
  { sns, webhooks }: Pick<CoordinatorConfig, 'sns' | 'webhooks'>,
  clock: Pick<Clock, 'now'>,
): Promise<Notifier> {
  const signingSecret = await readSigningSecret(webhooks.signingSecretFile);
  const webhook = createWebhookNotifier({ clock, signingSecret, userAgent });
  const topic =
    sns === null
      ? null
      : createSnsNotifier({
          clock,
          endpoint: sns.endpoint,
          accessKeyId: sns.accessKeyId,
          secretAccessKey: await readSecret('sns.secretAccessKeyFile', sns.secretAccessKeyFile),
          userAgent,
        });
  return {
    async send(message, signal) {
      switch (parseTriggerTarget(message.target)?.kind) {
        case 'webhook':
          return webhook.send(message, signal);
        case 'sns':
          return topic === null
            ? refused("no SNS endpoint is configured: set sns in the coordinator's configuration")
            : topic.send(message, signal);
        case undefined:
          return refused('the target is neither an address nor an SNS topic');
      }
    },
  };
}

async function readSigningSecret(path: string | null): Promise<Uint8Array | null> {
  if (path === null) return null;
  const key = 'webhooks.signingSecretFile';
  const secret = webhookSecret(await readSecret(key, path));
  if (secret.length === 0) throw emptySecret(key, path);
  return secret;
}

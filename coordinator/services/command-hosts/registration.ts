import type * as z from 'zod';
import type { hostRoutes } from '../../../shared/api/hosts.ts';
import type { Caller } from '../../auth/caller.ts';
import type { AccessKeys } from '../access-keys.ts';
import type { Hosts } from '../hosts.ts';
import type { OnPremisesInstances } from '../on-premises-instances.ts';

type Route = (typeof hostRoutes)['registerCodeDeployHost'];
interface Parts {
  onPremisesInstances: Pick<OnPremisesInstances, 'register'>;
  accessKeys: Pick<AccessKeys, 'createIn'>;
  hosts: Pick<Hosts, 'get'>;
  /** For ARNs that are made here. */
  accountId: string;
}

/** Hosts with AWS's agent do not enrol: an operator registers them, and gives them their access key. */
export function createCommandHostRegistration({ onPremisesInstances, accessKeys, hosts, accountId }: Parts) {
  return {
    /** @throws AppError `conflict` for a name or an ARN that another host has */
    async register(body: z.output<Route['body']>, caller: Caller): Promise<z.input<Route['reply']>> {
      const { name } = body;
      const iamArn = body.iamArn ?? `arn:aws:iam::${accountId}:user/${name}`;
      // The key is made with the host, or neither is: its secret is shown once, and the name could not be registered again.
      let key = { id: '', secretAccessKey: '' };
      await onPremisesInstances.register({ ...body, iamArn }, caller, async (query) => {
        key = await accessKeys.createIn(query, { host: name }, caller);
      });
      return { host: await hosts.get(name), accessKeyId: key.id, secretAccessKey: key.secretAccessKey };
    },
  };
}
export type CommandHostRegistration = ReturnType<typeof createCommandHostRegistration>;

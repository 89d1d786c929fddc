import type { hostRoutes } from '../../../shared/api/hosts.ts';
import type { CommandHostRegistration } from '../../services/command-hosts/registration.ts';
import type { HostDrift } from '../../services/host-drift.ts';
import type { Hosts } from '../../services/hosts.ts';
import type { JoinTokens } from '../../services/join-tokens.ts';
import type { HandlersOf } from './handler.ts';

export function hostHandlers(services: {
  hosts: Hosts;
  hostDrift: HostDrift;
  joinTokens: JoinTokens;
  commandHostRegistration: CommandHostRegistration;
}): HandlersOf<typeof hostRoutes> {
  const { hosts, hostDrift, joinTokens, commandHostRegistration } = services;
  return {
    listHosts: ({ query }) => hosts.list(query),
    getHost: ({ params }) => hosts.get(params.host),
    updateHost: ({ params, body, caller }) => hosts.update(params.host, body, caller),
    registerCodeDeployHost: ({ body, caller }) => commandHostRegistration.register(body, caller),
    forgetHost: ({ params, caller }) => hosts.forget(params.host, caller),
    findHostDrift: ({ params }) => hostDrift.of(params.host),
    listJoinTokens: ({ query }) => joinTokens.list(query),
    createJoinToken: ({ body, caller }) => joinTokens.create(body, caller),
    deleteJoinToken: ({ params, caller }) => joinTokens.delete(params.id, caller),
  };
}

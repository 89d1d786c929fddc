import type { HttpClient } from '../../../agent/connection/http-client.ts';
import { agentRoutes } from '../../../shared/api/agents.ts';
import { AppError } from '../../../shared/core/errors.ts';
import type { CoordinatorMachine } from './coordinator.ts';
import type { Network } from './network.ts';
import type { SimulatedProcess } from './process.ts';

/** What an agent asks by HTTPS. The server's part of it, routes to services, is repeated here in two lines. */
export function agentHttp(parts: {
  network: Network;
  coordinator: CoordinatorMachine;
  machine: string;
  process: SimulatedProcess;
  getsThrough: boolean;
}): HttpClient {
  const { network, coordinator, machine, process } = parts;
  return {
    json: ({ path, body, signal }) =>
      network.request(
        machine,
        process,
        async () => {
          const { core } = coordinator;
          if (core === null || !parts.getsThrough) throw new AppError('unavailable', 'connection refused');
          if (path === agentRoutes.enrol.path)
            return core.services.enrolment.enrol(agentRoutes.enrol.body.parse(body), machine);
          if (path === agentRoutes.exchange.path)
            return coordinator
              .longPoll(core)
              .exchange(agentRoutes.exchange.body.parse(body), machine, new AbortController().signal);
          throw new AppError('not_found', path);
        },
        signal,
      ),
    stream: () => Promise.reject(new AppError('not_implemented', 'downloads have a way of their own')),
    close() {},
  };
}

import type { agentUpdateRoutes } from '../../../shared/api/agent-updates.ts';
import type { AgentUpdates } from '../../services/agent-updates/agent-updates.ts';
import type { HandlersOf } from './handler.ts';

export function agentUpdateHandlers({
  agentUpdates,
}: {
  agentUpdates: AgentUpdates;
}): HandlersOf<typeof agentUpdateRoutes> {
  return {
    getAgentVersions: ({ query }) => agentUpdates.versions(query),
    startAgentUpdate: ({ body, caller }) => agentUpdates.start(body, caller),
    listAgentUpdates: ({ query }) => agentUpdates.list(query),
    getAgentUpdate: ({ params }) => agentUpdates.get(params.update),
    stopAgentUpdate: ({ params, caller }) => agentUpdates.stop(params.update, caller),
  };
}

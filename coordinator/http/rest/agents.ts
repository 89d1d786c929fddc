import type { agentRoutes } from '../../../shared/api/agents.ts';
import type { LongPoll } from '../../hub/long-poll-channel.ts';
import type { Enrolment } from '../../services/enrolment.ts';
import type { Readiness } from '../../services/readiness.ts';
import type { Sessions } from '../../services/sessions.ts';
import type { BundleDownloads } from './bundle-downloads.ts';
import type { HandlersOf } from './handler.ts';

export function agentHandlers(services: {
  enrolment: Enrolment;
  sessions: Sessions;
  readiness: Readiness;
  bundleDownloads: BundleDownloads;
  longPoll: LongPoll;
}): HandlersOf<typeof agentRoutes> {
  const { enrolment, sessions, readiness, bundleDownloads, longPoll } = services;
  return {
    enrol: ({ body, http }) => enrolment.enrol(body, http.remoteAddress),
    createChallenge: async () => sessions.createChallenge(),
    createSession: ({ body }) => sessions.createSession(body),
    readiness: ({ caller }) => readiness.of(caller.hostId),
    downloadBundle: ({ params, caller, http }) => bundleDownloads.open(caller.hostId, params.digest, http),
    downloadBundleManifest: ({ params, caller, http }) => bundleDownloads.manifest(caller.hostId, params.digest, http),
    createBundleDelta: ({ params, caller, body }) =>
      bundleDownloads.createDelta(caller.hostId, params.digest, body.files),
    downloadBundleDelta: ({ params, caller, http }) => bundleDownloads.delta(caller.hostId, params, http),
    exchange: ({ body, http }) => longPoll.exchange(body, http.remoteAddress, http.signal),
  };
}

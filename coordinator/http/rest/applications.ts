import type { applicationRoutes } from '../../../shared/api/applications.ts';
import type { Applications } from '../../services/applications.ts';
import type { Revisions } from '../../services/revisions.ts';
import type { HandlersOf } from './handler.ts';

export function applicationHandlers(services: {
  applications: Applications;
  revisions: Revisions;
}): HandlersOf<typeof applicationRoutes> {
  const { applications, revisions } = services;
  return {
    listApplications: ({ query }) => applications.list(query),
    createApplication: ({ body, caller }) => applications.create(body, caller),
    getApplication: ({ params }) => applications.get(params.application),
    updateApplication: ({ params, body, caller }) => applications.update(params.application, body, caller),
    deleteApplication: ({ params, caller }) => applications.delete(params.application, caller),
    listRevisions: ({ params, query }) => revisions.list(params.application, query),
    getRevision: ({ params }) => revisions.get(params.application, params.revision),
    registerRevision: ({ params, body, caller, http }) =>
      revisions.registerUrl(params.application, body, caller, http.signal),
    uploadRevision: ({ params, query, caller, http }) =>
      revisions.upload(params.application, query, http.bodyStream, caller),
    pushRevisionAgain: ({ params, caller }) => revisions.pushAgain(params.application, params.revision, caller),
    deleteRevision: ({ params, caller }) => revisions.delete(params.application, params.revision, caller),
  };
}

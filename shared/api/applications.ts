import * as z from 'zod';
import { application, resourceName } from '../model/application.ts';
import { bundleType, digest, revision, revisionLabel } from '../model/revision.ts';
import { defineRoute, noContent, page, pageQuery } from './route.ts';

const applicationParams = z.strictObject({ application: resourceName });
/** A revision's id, label, a digest prefix of at least 8 digits, or `latest`. */
const revisionReference = z.string().min(1).max(128);
const revisionParams = z.strictObject({ application: resourceName, revision: revisionReference });

export const applicationRoutes = {
  listApplications: defineRoute({
    method: 'GET',
    path: '/v1/applications',
    summary: 'List applications by name.',
    caller: 'viewer',
    query: z.strictObject({ ...pageQuery }),
    reply: page(application),
  }),
  createApplication: defineRoute({
    method: 'POST',
    path: '/v1/applications',
    summary: 'Create an application.',
    caller: 'deployer',
    body: z.strictObject({ name: resourceName, description: z.string().max(256).default('') }),
    reply: application,
    status: 201,
    errors: ['conflict'],
  }),
  getApplication: defineRoute({
    method: 'GET',
    path: '/v1/applications/:application',
    summary: 'One application.',
    caller: 'viewer',
    params: applicationParams,
    reply: application,
    errors: ['not_found'],
  }),
  updateApplication: defineRoute({
    method: 'PATCH',
    path: '/v1/applications/:application',
    summary: 'Rename an application or describe it anew; its groups, revisions and history go along.',
    caller: 'deployer',
    params: applicationParams,
    body: z.strictObject({ name: resourceName.optional(), description: z.string().max(256).optional() }),
    reply: application,
    errors: ['not_found', 'conflict'],
  }),
  deleteApplication: defineRoute({
    method: 'DELETE',
    path: '/v1/applications/:application',
    summary: 'Delete an application with its groups and revisions; refused while a deployment runs. History stays.',
    caller: 'admin',
    params: applicationParams,
    reply: noContent,
    status: 204,
    errors: ['not_found', 'conflict'],
  }),
  listRevisions: defineRoute({
    method: 'GET',
    path: '/v1/applications/:application/revisions',
    summary: 'List revisions, what was pushed last first.',
    caller: 'viewer',
    params: applicationParams,
    query: z.strictObject({ ...pageQuery, digest: digest.optional() }),
    reply: page(revision),
    errors: ['not_found'],
  }),
  getRevision: defineRoute({
    method: 'GET',
    path: '/v1/applications/:application/revisions/:revision',
    summary: 'One revision by id, label, digest prefix (8 digits or more) or `latest`, which was pushed last.',
    caller: 'viewer',
    params: revisionParams,
    reply: revision,
    errors: ['not_found', 'conflict'],
  }),
  registerRevision: defineRoute({
    method: 'POST',
    path: '/v1/applications/:application/revisions',
    summary: 'Register a revision from a URL: it is fetched now, pinned by its digest and kept.',
    caller: 'deployer',
    params: applicationParams,
    body: z.strictObject({
      url: z.url({ protocol: /^https?$/ }),
      bundleType,
      /** Refuse the bundle when its digest is another one. */
      digest: digest.optional(),
      label: revisionLabel.optional(),
      description: z.string().max(256).default(''),
    }),
    reply: revision,
    status: 201,
    errors: ['not_found', 'conflict', 'too_large', 'unavailable'],
    isSlow: true,
  }),
  /** The body is the bundle itself (`application/octet-stream`), streamed. */
  uploadRevision: defineRoute({
    method: 'POST',
    path: '/v1/applications/:application/revisions/upload',
    summary: 'Upload a bundle and register it. A digest that is known already answers with that revision.',
    caller: 'deployer',
    params: applicationParams,
    query: z.strictObject({
      digest,
      bundleType,
      label: revisionLabel.optional(),
      description: z.string().max(256).default(''),
    }),
    reply: revision,
    status: 201,
    errors: ['not_found', 'conflict', 'too_large'],
  }),
  pushRevisionAgain: defineRoute({
    method: 'POST',
    path: '/v1/applications/:application/revisions/:revision/push',
    summary: 'Push a revision again whose bundle is here: nothing is sent, and it is `latest` from then on.',
    caller: 'deployer',
    params: revisionParams,
    reply: revision,
    errors: ['not_found', 'conflict'],
    isRepeatable: true,
  }),
  deleteRevision: defineRoute({
    method: 'DELETE',
    path: '/v1/applications/:application/revisions/:revision',
    summary: 'Delete a revision; refused while a group counts on it for a rollback or a deployment uses it.',
    caller: 'admin',
    params: revisionParams,
    reply: noContent,
    status: 204,
    errors: ['not_found', 'conflict'],
  }),
} as const;

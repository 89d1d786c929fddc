import { AppError } from '../shared/core/errors.ts';
import type { CoordinatorConfig } from './config.ts';
import type { RevisionLocation } from './domain/revision-location.ts';
import { fetchGitHubArchive } from './revision-stores/github-source.ts';
import { createS3Source } from './revision-stores/s3-source.ts';
import { readSecret } from './secret-file.ts';
import type { LocatedObject } from './services/revision-locations.ts';

type Settings = Pick<CoordinatorConfig, 's3' | 'gitHub' | 'timings'>;

/** Redirects that a download may take; GitHub's archives take one. */
export const MAX_REDIRECTS = 5;

/**
 * Looks at a revision's location in the store that the configuration names for its kind.
 * @throws AppError `invalid` when a file with a secret cannot be read
 */
export async function createRevisionSources({
  s3,
  gitHub,
  timings,
}: Settings): Promise<(location: RevisionLocation, signal: AbortSignal) => Promise<LocatedObject>> {
  const idleTimeoutMs = timings.bundleFetchIdleMs;
  const source =
    s3 === null
      ? null
      : createS3Source({
          ...s3,
          secretAccessKey: await readSecret('s3.secretAccessKeyFile', s3.secretAccessKeyFile),
          idleTimeoutMs,
        });
  const token = gitHub.tokenFile === null ? null : await readSecret('gitHub.tokenFile', gitHub.tokenFile);
  return async (location, signal) => {
    if (location.kind === 'github')
      return {
        // The commit id says it all.
        etag: location.commitId,
        open: () =>
          fetchGitHubArchive({ baseUrl: gitHub.baseUrl, token }, location, {
            maxRedirects: MAX_REDIRECTS,
            idleTimeoutMs,
            signal,
          }),
      };
    if (source === null)
      throw new AppError('invalid', `s3://${location.bucket}/${location.key}: no S3 store is configured here`, {
        hint: "Set s3 in the coordinator's configuration, or push the bundle to Drover itself: drover push.",
      });
    return source.locate(location, signal);
  };
}

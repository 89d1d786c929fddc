import { AppError, isAppError } from '../../shared/core/errors.ts';
import type { GitHubLocation } from '../domain/revision-location.ts';
import { type FetchOptions, fetchBundle } from './http.ts';

export interface GitHubSettings {
  /** Of the REST API: https://api.github.com, or an Enterprise server's …/api/v3. */
  baseUrl: string;
  /** For private repositories; null: none. */
  token: string | null;
}

/**
 * The archive of a commit, as a tgz whose files are below one folder.
 * Source: GitHub REST API, "Download a repository archive (tar)".
 * @throws AppError `unavailable`, with `details.reason: 'github_token_refused'` when it was for the token
 */
export async function fetchGitHubArchive(
  settings: GitHubSettings,
  location: GitHubLocation,
  options: Omit<FetchOptions, 'authorization'>,
): Promise<AsyncIterable<Uint8Array>> {
  const url = `${settings.baseUrl.replace(/\/+$/, '')}/repos/${location.repository}/tarball/${location.commitId}`;
  try {
    return await fetchBundle(url, {
      ...options,
      ...(settings.token === null ? {} : { authorization: `Bearer ${settings.token}` }),
    });
  } catch (error) {
    if (!isAppError(error, 'unavailable')) throw error;
    // GitHub answers 404 for what a token may not see, and 401 for one that it does not know.
    if (error.details['httpStatus'] === 401)
      throw new AppError('unavailable', `fetching ${location.repository}: GitHub does not accept the token`, {
        cause: error,
        hint: 'gitHub.tokenFile names a file with the token: has it expired?',
        details: { reason: 'github_token_refused' },
      });
    throw new AppError('unavailable', `fetching ${location.repository} at ${location.commitId}: ${error.message}`, {
      cause: error,
      hint: 'For a private repository, gitHub.tokenFile names a file with a token that may read it.',
    });
  }
}

import type { RevisionLocation } from '../../../domain/revision-location.ts';
import { revisionLocation } from '../../../domain/revision-location.ts';
import type { LocatedRevision } from '../../../services/revision-locations.ts';
import { AwsException } from '../exceptions.ts';
import type { Value } from '../model.ts';

const refused = (message: string) => new AwsException('InvalidRevisionException', message);

/** @throws AwsException `InvalidRevisionException` for a kind that a Server deployment has not, or one that is incomplete */
export function toLocation(revision: Value<'RevisionLocation'>): RevisionLocation {
  const { s3Location, gitHubLocation } = revision;
  const type =
    revision.revisionType ?? (s3Location !== undefined ? 'S3' : gitHubLocation !== undefined ? 'GitHub' : null);
  if (type === 'S3' && s3Location !== undefined) {
    const { bundleType } = s3Location;
    if (bundleType === 'YAML' || bundleType === 'JSON')
      throw refused(`bundleType ${bundleType} is for Lambda and ECS; a Server deployment has tar, tgz or zip`);
    return parsed({
      kind: 's3',
      bucket: s3Location.bucket,
      key: s3Location.key,
      bundleType,
      version: s3Location.version || null,
      etag: s3Location.eTag?.replaceAll('"', '') || null,
    });
  }
  if (type === 'GitHub' && gitHubLocation !== undefined) return parsed({ kind: 'github', ...gitHubLocation });
  if (type === 'String' || type === 'AppSpecContent')
    throw refused(`revisionType ${type} is for Lambda and ECS; a Server deployment has S3 or GitHub`);
  throw refused('revisionType is S3 with an s3Location, or GitHub with a gitHubLocation');
}

function parsed(given: object): RevisionLocation {
  const result = revisionLocation.safeParse(given);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw refused(`${issue?.path.join('.') ?? 'revision'}: ${issue?.message ?? 'not as expected'}`);
}

export function fromLocation(location: RevisionLocation): Value<'RevisionLocation'> {
  if (location.kind === 'github')
    return {
      revisionType: 'GitHub',
      gitHubLocation: { repository: location.repository, commitId: location.commitId },
    };
  const { bucket, key, bundleType, version, etag } = location;
  return {
    revisionType: 'S3',
    s3Location: { bucket, key, bundleType, version: version ?? undefined, eTag: etag ?? undefined },
  };
}

export function fromRevisionInfo(located: LocatedRevision): Value<'GenericRevisionInfo'> {
  return {
    description: located.description,
    deploymentGroups: located.deploymentGroups,
    firstUsedTime: located.revision.firstUsedAt ?? undefined,
    lastUsedTime: located.revision.lastUsedAt ?? undefined,
    registerTime: located.registeredAt,
  };
}

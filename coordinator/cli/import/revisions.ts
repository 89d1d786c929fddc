import { createHash } from 'node:crypto';
import type { RevisionLocation } from '@aws-sdk/client-codedeploy';
import { type BundleType, bundleType } from '../../../shared/model/revision.ts';
import { type Remark, remark } from './import-item.ts';

/** A revision of the account that can be carried over. */
export interface WantedRevision {
  application: string;
  /** For people: `s3://bundles/web.zip`. */
  name: string;
  /** The same for the same place and content: that is how a second run knows what it has imported. */
  label: string;
  description: string;
  bundleType: BundleType;
  from: S3Place | { kind: 'url'; url: string };
}

export interface S3Place {
  kind: 's3';
  bucket: string;
  key: string;
  version: string | undefined;
  etag: string | undefined;
}

const MAX_DESCRIPTION = 256;
/** Of a label's first part: what people recognise. The rest tells places apart. */
const MAX_LABEL_NAME = 80;
const PUBLIC_GITHUB = 'https://api.github.com';

/** Name of any location, for telling about it. */
export function locationName({ revisionType, s3Location: s3, gitHubLocation: gitHub }: RevisionLocation): string {
  if (s3 !== undefined) {
    const pin = s3.version !== undefined ? `?versionId=${s3.version}` : '';
    return `s3://${s3.bucket}/${s3.key}${pin}`;
  }
  if (gitHub !== undefined) return `github.com/${gitHub.repository}@${gitHub.commitId?.slice(0, 12)}`;
  return `a revision of type ${revisionType ?? 'unknown'}`;
}

export function wantedRevision(application: string, location: RevisionLocation): WantedRevision | Remark {
  const name = locationName(location);
  const description = cut(`Imported from ${name}`, MAX_DESCRIPTION);
  const { s3Location: s3, gitHubLocation: gitHub } = location;
  if (s3?.bucket !== undefined && s3.key !== undefined) {
    const type = bundleType.safeParse(s3.bundleType);
    if (!type.success) return remark('bundle-type', `bundles of type ${s3.bundleType} are not for hosts`);
    const place: S3Place = { kind: 's3', bucket: s3.bucket, key: s3.key, version: s3.version, etag: s3.eTag };
    const label = labelOf(s3.key.split('/').at(-1) ?? '', JSON.stringify(place));
    return { application, name, label, description, bundleType: type.data, from: place };
  }
  if (gitHub?.repository !== undefined && gitHub.commitId !== undefined) {
    const url = `${PUBLIC_GITHUB}/repos/${gitHub.repository}/tarball/${gitHub.commitId}`;
    const label = labelOf(gitHub.repository.split('/').at(-1) ?? '', url);
    return { application, name, label, description, bundleType: 'tgz', from: { kind: 'url', url } };
  }
  return remark('revision-type', 'only bundles in S3 and on GitHub are for hosts');
}

/** `web-2.4.1.zip` at one place becomes `web-2.4.1-1f0c9a7e`. */
function labelOf(fileName: string, place: string): string {
  const name = fileName
    .replace(/\.(zip|tar|tgz|tar\.gz)$/i, '')
    .replace(/[^A-Za-z0-9+=,.@_-]/g, '-')
    .replace(/^[^A-Za-z0-9]+/, '');
  const hash = createHash('sha256').update(place).digest('hex').slice(0, 8);
  return `${name === '' ? 'revision' : name.slice(0, MAX_LABEL_NAME)}-${hash}`;
}

function cut(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length - 3)}...`;
}

/** Headers as they came: name and value, a repeated one repeated. */
export type HeaderList = readonly (readonly [name: string, value: string])[];

export function headerValues(headers: HeaderList, lowerCaseName: string): string[] {
  return headers.filter(([name]) => name.toLowerCase() === lowerCaseName).map(([, value]) => value);
}

/**
 * One line for each signed header, and an empty line after them: values trimmed, runs of spaces made one, those of a repeated
 * header joined by commas. A signed header that is not there has the empty value, as in AWS's own test suite.
 */
export function canonicalHeaders(headers: HeaderList, signed: readonly string[]): string {
  return signed.map((name) => `${name}:${headerValues(headers, name).map(squeezed).join(',')}\n`).join('');
}

function squeezed(value: string): string {
  return value.trim().replaceAll(/[ \t]+/g, ' ');
}

/**
 * Parameters sorted by name and value, encoded by one rule whatever the client's was.
 * @param without the parameter that is the signature itself; null for none
 */
export function canonicalQuery(query: string, without: string | null): string {
  if (query === '') return '';
  return query
    .split('&')
    .filter((part) => part !== '')
    .map((part): [string, string] => {
      const at = part.indexOf('=');
      const [name, value] = at < 0 ? [part, ''] : [part.slice(0, at), part.slice(at + 1)];
      return [uriEncode(uriDecode(name)), uriEncode(uriDecode(value))];
    })
    .filter(([name]) => name !== without)
    .sort(([nameA, valueA], [nameB, valueB]) => compare(nameA, nameB) || compare(valueA, valueB))
    .map(([name, value]) => `${name}=${value}`)
    .join('&');
}

/**
 * `normalized`: dots and doubled slashes resolved, each part encoded once more, as every service but S3 wants it.
 * `as-is`: S3, whose keys may have any of these; encoded once, by our rule.
 */
export function canonicalPath(path: string, style: 'normalized' | 'as-is'): string {
  if (style === 'as-is')
    return (
      path
        .split('/')
        .map((part) => uriEncode(uriDecode(part)))
        .join('/') || '/'
    );
  const kept: string[] = [];
  for (const part of path.split('/'))
    if (part === '..') kept.pop();
    else if (part !== '' && part !== '.') kept.push(part);
  const hasSlash = path.endsWith('/') && kept.length > 0;
  return `/${kept.map(uriEncode).join('/')}${hasSlash ? '/' : ''}`;
}

/** RFC 3986: everything but the unreserved characters, with capital hex digits. */
function uriEncode(text: string): string {
  return encodeURIComponent(text).replaceAll(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

function uriDecode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // No valid encoding: it is taken literally, and the signature will say whether that is what was meant.
    return text;
  }
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/**
 * Simple patterns, as in `.gitignore`: `*` any run of characters but a slash, `**` also slashes, `?` one character; a slash
 * at the end matches directories only; a slash elsewhere ties the pattern to the bundle's root, otherwise it matches at any
 * depth. Lines that begin with # are comments. There is no `!`.
 */
export function createIgnore(patterns: readonly string[]): (path: string, isDirectory: boolean) => boolean {
  const rules = patterns
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      const onlyDirectories = line.endsWith('/');
      const body = line.replace(/\/+$/, '').replace(/^\.\//, '');
      const isTied = body.includes('/');
      return { onlyDirectories, isTied, matches: matcher(body.replace(/^\//, '')) };
    });
  return (path, isDirectory) =>
    rules.some((rule) => {
      if (rule.onlyDirectories && !isDirectory) return false;
      return rule.matches(rule.isTied ? path : path.slice(path.lastIndexOf('/') + 1));
    });
}

function matcher(pattern: string): (text: string) => boolean {
  const source = pattern
    .split(/(\*\*\/?|\*|\?)/)
    .map((part) => {
      if (part === '**/') return '(?:[^/]+/)*';
      if (part === '**') return '.*';
      if (part === '*') return '[^/]*';
      return part === '?' ? '[^/]' : part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
    })
    .join('');
  const expression = new RegExp(`^${source}$`, 's');
  return (text) => expression.test(text);
}

import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { readSources, type SourceFile, withoutComments } from '../support/imports.ts';

interface Ladder {
  rungs: { name: string; sees: string[] }[];
  adapters: string[];
  pure: string[];
  pureMayImport: string[];
  compositionRoots: string[];
}
// The ladder is data: whoever moves a wall changes that file, not this test.
const ladder: Ladder = JSON.parse(readFileSync(new URL('./ladder.json', import.meta.url), 'utf8'));
const sources = readSources(['agent', 'coordinator', 'shared']);

function isBelow(path: string, place: string): boolean {
  return path === place || path.startsWith(place.endsWith('/') ? place : `${place}/`);
}
/** The longest rung that holds the file. */
function rungOf(path: string) {
  return ladder.rungs.filter((rung) => isBelow(path, rung.name)).sort((a, b) => b.name.length - a.name.length)[0];
}
function isPure(path: string): boolean {
  return ladder.pure.some((place) => isBelow(path, place));
}
function isTestOrRoot(path: string): boolean {
  return ladder.compositionRoots.includes(path);
}

describe('the architecture', () => {
  it('has a rung for every source file', () => {
    expect(sources.filter((file) => rungOf(file.path) === undefined).map((file) => file.path)).to.deep.equal([]);
    expect(sources.length).to.be.above(50);
  });

  it('lets imports go downward only', () => {
    const upward = sources.flatMap((file) =>
      file.imports
        .filter((imported) => !maySee(file.path, imported.path))
        .map((imported) => `${file.path} -> ${imported.path}`),
    );
    expect(upward).to.deep.equal([]);
  });

  it('keeps adapters apart', () => {
    const adapterOf = (path: string) => ladder.adapters.find((place) => isBelow(path, place));
    const sideways = sources.flatMap((file) =>
      file.imports
        .filter((imported) => {
          const from = adapterOf(file.path);
          const to = adapterOf(imported.path);
          return from !== undefined && to !== undefined && from !== to;
        })
        .map((imported) => `${file.path} -> ${imported.path}`),
    );
    expect(sideways).to.deep.equal([]);
  });

  it('has no cycle of imports', () => {
    expect(findCycle(sources)).to.equal(null);
  });

  it('imports only files that are there', () => {
    const known = new Set(sources.map((file) => file.path));
    const missing = sources.flatMap((file) =>
      file.imports
        .filter((imported) => !known.has(imported.path))
        .map((imported) => `${file.path} -> ${imported.path}`),
    );
    expect(missing).to.deep.equal([]);
  });

  it('does no I/O in files that are declared pure', () => {
    const impure = sources
      .filter((file) => isPure(file.path))
      .flatMap((file) =>
        file.packages.filter((name) => !ladder.pureMayImport.includes(name)).map((name) => `${file.path} -> ${name}`),
      );
    expect(impure).to.deep.equal([]);
  });

  it('reaches for no clock, timer or randomness outside the composition roots', () => {
    const reaching =
      /\bDate\.now\(|\bnew Date\(\)|\bperformance\.now\(|\bMath\.random\(|\bset(?:Timeout|Interval|Immediate)\(|\brandomBytes\(|\brandomUUID\(|\brandomInt\(/;
    const found = sources
      .filter((file) => !isTestOrRoot(file.path))
      .flatMap((file) => {
        const match = reaching.exec(withoutComments(file.text));
        return match === null ? [] : [`${file.path}: ${match[0]}`];
      });
    expect(found).to.deep.equal([]);
  });

  it('reads process.env in composition roots only', () => {
    const found = sources.filter(
      (file) => !isTestOrRoot(file.path) && /\bprocess\.env\b/.test(withoutComments(file.text)),
    );
    expect(found.map((file) => file.path)).to.deep.equal([]);
  });
});

function maySee(from: string, to: string): boolean {
  const rung = rungOf(from);
  const other = rungOf(to);
  if (rung === undefined || other === undefined) return false;
  return rung.name === other.name || rung.sees.some((place) => isBelow(to, place));
}

function findCycle(files: readonly SourceFile[]): string | null {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const done = new Set<string>();
  const visit = (path: string, trail: string[]): string | null => {
    if (trail.includes(path)) return [...trail.slice(trail.indexOf(path)), path].join(' -> ');
    if (done.has(path)) return null;
    // A type-only import is erased and a lazy one happens later: neither can make modules wait for each other.
    for (const imported of byPath.get(path)?.imports ?? []) {
      if (imported.isTypeOnly || imported.isLazy) continue;
      const cycle = visit(imported.path, [...trail, path]);
      if (cycle !== null) return cycle;
    }
    done.add(path);
    return null;
  };
  for (const file of files) {
    const cycle = visit(file.path, []);
    if (cycle !== null) return cycle;
  }
  return null;
}

import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { readSources, type SourceFile, withoutComments } from '../support/imports.ts';

interface Ladder {
  rungs: { name: string; sees: string[] }[];
  adapters: string[];
  pure: string[];
  pureMayImport: string[];
  compositionRoots: string[];
  simulation: {
    mustImport: string[];
    ports: Record<string, string[]>;
    mayImport: string[];
    neverDefines: string[];
    compositionRoots: string[];
  };
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
    expect(filesThatReach(sources.filter((file) => !isTestOrRoot(file.path)))).to.deep.equal([]);
  });

  it('reads process.env in composition roots only', () => {
    const found = sources.filter(
      (file) => !isTestOrRoot(file.path) && /\bprocess\.env\b/.test(withoutComments(file.text)),
    );
    expect(found.map((file) => file.path)).to.deep.equal([]);
  });
});

describe('the simulation', () => {
  const { simulation } = ladder;
  // What plants bugs into a copy of the source plays no history itself.
  const files = readSources(['test/simulation']).filter(
    ({ path }) => !path.endsWith('.test.ts') && !path.startsWith('test/simulation/mutants/'),
  );
  const imports = files.flatMap((file) =>
    file.imports
      .filter(({ path }) => !path.startsWith('test/'))
      .map(({ path, isTypeOnly }) => ({ from: file.path, path, isTypeOnly })),
  );

  it('runs the whole production programs', () => {
    for (const program of simulation.mustImport)
      expect(imports.filter(({ path, isTypeOnly }) => path === program && !isTypeOnly).length, program).to.equal(1);
  });

  it('replaces the four ports, each in its place, and uses only what is named of the rest', () => {
    const isAllowed = ({ from, path }: { from: string; path: string }) =>
      simulation.ports[path]?.includes(from) === true ||
      (simulation.ports[path] === undefined && simulation.mayImport.some((place) => isBelow(path, place))) ||
      // A clock, or chance, that is handed on is no other adapter of it.
      path === 'shared/core/clock.ts';
    expect(imports.filter((each) => !isAllowed(each)).map(({ from, path }) => `${from} -> ${path}`)).to.deep.equal([]);
  });

  it('defines nothing of the engine, the services, the storage or the agent a second time', () => {
    const names = new Set(
      sources
        .filter((file) => simulation.neverDefines.some((place) => isBelow(file.path, place)))
        .flatMap((file) => [...file.text.matchAll(/^export (?:async )?(?:function|class|const) (\w+)/gm)])
        .map((match) => match[1]),
    );
    expect(names.size).to.be.above(100);
    const again = files.flatMap((file) =>
      [...file.text.matchAll(/^(?:export )?(?:async )?(?:function|class|const) (\w+)/gm)]
        .filter((match) => names.has(match[1]))
        .map((match) => `${file.path}: ${match[1]}`),
    );
    expect(again).to.deep.equal([]);
  });

  it('changes the database by the statements of the production code alone', () => {
    const writing = /\b(?:INSERT\s+INTO|UPDATE\s+\w+\s+SET|DELETE\s+FROM)\s/;
    const found = files.filter((file) => file.text.split('`').some((part, i) => i % 2 === 1 && writing.test(part)));
    expect(found.map((file) => file.path)).to.deep.equal([]);
    expect(files.filter((file) => /\.(?:insertInto|updateTable|deleteFrom)\(/.test(file.text))).to.deep.equal([]);
  });

  it('reaches for no real time and no real chance inside a history', () => {
    const inside = files.filter((file) => !simulation.compositionRoots.includes(file.path));
    expect(filesThatReach(inside)).to.deep.equal([]);
  });
});

const REACHING =
  /\bDate\.now\(|\bnew Date\(\)|\bperformance\.now\(|\bMath\.random\(|\bset(?:Timeout|Interval|Immediate)\(|\brandomBytes\(|\brandomUUID\(|\brandomInt\(/;

/** `<file>: <what it reaches for>` of those that reach for the real world's time or chance. */
function filesThatReach(files: readonly SourceFile[]): string[] {
  return files.flatMap((file) => {
    const match = REACHING.exec(withoutComments(file.text));
    return match === null ? [] : [`${file.path}: ${match[0]}`];
  });
}

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

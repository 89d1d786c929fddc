import { OPERATIONS, type OperationName, type Shape, shapeNamed } from '../../coordinator/http/aws/model.ts';

/** A random generator of its own seed: the same requests again for the same one. */
export function seededFraction(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** What stands for a text of a shape, so that requests are about things that may be there. */
export type Texts = Readonly<Record<string, readonly string[]>>;

const ODD: readonly unknown[] = [
  null,
  '',
  0,
  -1,
  1e308,
  true,
  [],
  {},
  [null],
  'x'.repeat(2_000),
  '\u0000',
  '../..',
  '__proto__',
  'é\ud800',
  Number.MAX_SAFE_INTEGER + 1,
];

/** Requests made from CodeDeploy's model: valid ones, with members removed, retyped, over-long or of another enumeration. */
export class AwsRequests {
  readonly #fraction: () => number;
  readonly #texts: Texts;

  constructor(seed: number, texts: Texts) {
    this.#fraction = seededFraction(seed);
    this.#texts = texts;
  }

  next(): { operation: OperationName; body: unknown } {
    // The keys of the model's table are the names.
    const operation = this.#pick(Object.keys(OPERATIONS)) as OperationName;
    const { input } = OPERATIONS[operation];
    return { operation, body: input === null ? {} : this.#value(input, 0.005) };
  }

  #value(name: string, oddness = 0.02): unknown {
    if (this.#fraction() < oddness) return this.#pick(ODD);
    const shape = shapeNamed(name);
    switch (shape.type) {
      case 'structure':
        return this.#structure(shape);
      case 'list':
        return Array.from({ length: Math.floor(this.#fraction() * 4) }, () => this.#value(shape.member));
      case 'map':
        return { [this.#text(shape.key)]: this.#value(shape.value) };
      case 'string':
        return this.#text(name);
      case 'boolean':
        return this.#fraction() < 0.5;
      case 'timestamp':
        return this.#pick([0, 1.5, 1e9, 1e12, -5]);
      default:
        return this.#pick([0, 1, 50, 99, 100, -1, 1.5]);
    }
  }

  #structure(shape: Extract<Shape, { type: 'structure' }>): unknown {
    const members = Object.entries(shape.members).filter(
      ([member]) => this.#fraction() < (shape.required.includes(member) ? 0.97 : 0.25),
    );
    return Object.fromEntries(members.map(([member, of]) => [member, this.#value(of)]));
  }

  #text(name: string): string {
    const shape = shapeNamed(name);
    if (shape.type === 'string' && shape.enum !== undefined && this.#fraction() < 0.9) return this.#pick(shape.enum);
    return this.#pick(this.#texts[name] ?? ['a', 'web-1', 'role', 'x']);
  }

  #pick<Item>(items: readonly Item[]): Item {
    // Never empty here.
    return items[Math.floor(this.#fraction() * items.length)] as Item;
  }
}

import { OPERATIONS, SHAPES } from './model-data.ts';

export { OPERATIONS } from './model-data.ts';

export type OperationName = keyof typeof OPERATIONS;
export type ShapeName = keyof typeof SHAPES;

/** A shape as code that walks any of them sees it. */
export type Shape =
  | { type: 'structure'; members: Readonly<Record<string, string>>; required: readonly string[] }
  | { type: 'list'; member: string }
  | { type: 'map'; key: string; value: string }
  | { type: 'string'; enum?: readonly string[]; min?: number; max?: number }
  | { type: 'boolean' | 'integer' | 'long' | 'double' | 'timestamp' };

export function shapeNamed(name: string): Shape {
  // Every name in the data is a key of the data: a test holds it.
  return SHAPES[name as ShapeName];
}

export function isOperation(name: string): name is OperationName {
  return Object.hasOwn(OPERATIONS, name);
}

type Shapes = typeof SHAPES;
type Named<Name> = Name extends ShapeName ? Value<Name> : never;

/** A shape's values inside of Drover: timestamps are epoch ms, absent members undefined. */
export type Value<Name extends ShapeName> = Shapes[Name] extends { type: 'structure'; members: infer Members }
  ? { -readonly [Member in keyof Members]?: Named<Members[Member]> | undefined }
  : Shapes[Name] extends { type: 'list'; member: infer Member }
    ? Named<Member>[]
    : Shapes[Name] extends { type: 'map'; value: infer Item }
      ? Record<string, Named<Item>>
      : Shapes[Name] extends { type: 'string'; enum: readonly (infer Choice)[] }
        ? Choice
        : Shapes[Name] extends { type: 'string' }
          ? string
          : Shapes[Name] extends { type: 'boolean' }
            ? boolean
            : number;

type Side<Name extends OperationName, Which extends 'input' | 'output'> = (typeof OPERATIONS)[Name][Which];
type RequiredOf<Name extends ShapeName> = Shapes[Name] extends { required: readonly (infer Member)[] } ? Member : never;
type Present<T, Keys> = { [Key in keyof T as Key extends Keys ? Key : never]-?: NonNullable<T[Key]> } & {
  [Key in keyof T as Key extends Keys ? never : Key]: T[Key];
};

/** What an operation's handler gets: validated, its required members there. */
export type Input<Name extends OperationName> =
  Side<Name, 'input'> extends infer Of extends ShapeName ? Present<Value<Of>, RequiredOf<Of>> : Record<string, never>;

export type Output<Name extends OperationName> =
  Side<Name, 'output'> extends infer Of extends ShapeName ? Value<Of> : undefined;

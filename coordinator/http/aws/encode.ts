import { OPERATIONS, type OperationName, shapeNamed } from './model.ts';

/** An operation's output as JSON 1.1 has it; the empty text when it has none. */
export function encodeOutput(operation: OperationName, output: unknown): string {
  const { output: shapeName } = OPERATIONS[operation];
  return shapeName === null ? '' : JSON.stringify(encoded(output ?? {}, shapeName));
}

/** Only what the model has; what is undefined or null is left out; times in epoch seconds with their fraction. */
function encoded(value: unknown, shapeName: string): unknown {
  const shape = shapeNamed(shapeName);
  if (shape.type === 'timestamp') return Number(value) / 1_000;
  if (shape.type === 'list') return (value as unknown[]).map((item) => encoded(item, shape.member));
  if (shape.type === 'map')
    return Object.fromEntries(Object.entries(value as object).map(([key, item]) => [key, encoded(item, shape.value)]));
  if (shape.type !== 'structure') return value;
  const members: Record<string, unknown> = {};
  for (const [member, of] of Object.entries(shape.members)) {
    const given = (value as Record<string, unknown>)[member];
    if (given !== undefined && given !== null) members[member] = encoded(given, of);
  }
  return members;
}

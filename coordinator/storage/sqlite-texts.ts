import {
  type BinaryOperationNode,
  ColumnNode,
  type LimitNode,
  type OperationNode,
  ReferenceNode,
  SqliteQueryCompiler,
  ValueNode,
} from 'kysely';

/** Columns by whose values partial indexes hold their rows (`migrations/`); each has a handful of values. */
export const INDEXED_BY_VALUE: ReadonlySet<string> = new Set(['is_active', 'occupies_group', 'presence', 'status']);

/**
 * Writes into a statement what SQLite's planner wants to know: what those columns are compared with, and how many rows are asked
 * for. It looks at such a value even when it is bound, and then prepares the statement again each time another is bound:
 * several times as long as most statements take. A test compares the columns with the indexes.
 * Source: SQLite, "The Next-Generation Query Planner", Query Planner Stability Guarantee.
 */
export class SqliteTexts extends SqliteQueryCompiler {
  protected override visitBinaryOperation(node: BinaryOperationNode): void {
    super.visitBinaryOperation(
      isIndexedByValue(node.leftOperand) ? { ...node, rightOperand: written(node.rightOperand) } : node,
    );
  }

  protected override visitLimit(node: LimitNode): void {
    super.visitLimit({ ...node, limit: written(node.limit) });
  }
}

function written(node: OperationNode): OperationNode {
  return ValueNode.is(node) ? ValueNode.createImmediate(node.value) : node;
}

function isIndexedByValue(node: OperationNode): boolean {
  if (!ReferenceNode.is(node) || !ColumnNode.is(node.column)) return false;
  return INDEXED_BY_VALUE.has(node.column.column.name);
}

/** A bug that somebody might write: the simulator has to catch each. */
export interface Mutant {
  name: string;
  /** What it breaks, in the words of an operator. */
  harm: string;
  edits: readonly Edit[];
}

export interface Edit {
  file: string;
  /** Stands exactly once in the file. */
  find: string;
  replace: string;
}

export function one(name: string, harm: string, file: string, [find, replace]: readonly [string, string]): Mutant {
  return { name, harm, edits: [{ file, find, replace }] };
}

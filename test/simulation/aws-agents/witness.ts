import type { Execution, HostTruth } from './host-truth.ts';

/** Writes a history's story down, and what breaks a promise. */
export interface Notes {
  say(line: string): void;
  violate(message: string): void;
}

/** Is told, too, of each command just before a host executes it. */
export interface Witness extends Notes {
  begins(host: HostTruth, execution: Execution): void;
}

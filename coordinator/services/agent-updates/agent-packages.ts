import type { BundleType } from '../../../shared/model/revision.ts';
import type { AgentPackage } from '../../domain/agent-packages.ts';

/** PORT: the packages of Drover's agent that this coordinator offers. */
export interface AgentPackages {
  /** What is offered now; empty when nothing is. */
  list(): Promise<AgentPackage[]>;
  /**
   * Makes a bundle of a version's packages and of the scripts that install them, and removes it when `use` has ended. The same
   * files give the same digest.
   * @throws AppError `not_found` when the scripts or the packages are not there
   */
  withBundle<T>(version: string, use: (bundle: AgentBundle) => Promise<T>): Promise<T>;
}

export interface AgentBundle {
  digest: string;
  sizeBytes: number;
  bundleType: BundleType;
  open(): AsyncIterable<Uint8Array>;
}

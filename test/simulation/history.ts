import type { Observer } from './observer.ts';
import type { InnerSignal, SceneSignal, Signal } from './plan.ts';
import type { Situation, SituationCounts } from './situations.ts';
import type { Service, Truth } from './truth.ts';
import type { FileSystem } from './world/file-system.ts';
import type { Machine } from './world/machine.ts';
import type { World } from './world/world.ts';

/** The promises of docs/architecture.md, and some that stand beside them. */
export type Invariant =
  | 'I1'
  | 'I2'
  | 'I3'
  | 'I4'
  | 'I5'
  | 'I6'
  | 'I7'
  | 'I8'
  | 'assertion'
  | 'readiness'
  | 'clones'
  | 'agents'
  | 'triggers';

export interface Violation {
  invariant: Invariant;
  message: string;
  /** Simulated ms. */
  at: number;
}

/** A machine with the disk of another one. */
export interface Copy {
  /** It says that it is the same machine, so that only the original's answer shows what it is. */
  isTwin: boolean;
  mustBeRefused(): boolean;
}

/** A machine as it was once: its disk, and what came up from that. */
export interface Snapshot {
  hostId: string | null;
  files: FileSystem;
  services: ReadonlyMap<string, Service>;
}

/** One history while it happens: the world, what is known to be true, and what was noticed. */
export interface History {
  world: World;
  truth: Truth;
  observer: Observer;
  situations: SituationCounts;
  violations: Violation[];
  /** Stops that were answered, and the hosts that were in progress or done by then. */
  stops: Map<string, { allowed: ReadonlySet<string>; at: number }>;
  /** Agent updates that an operator has asked to stop, and those of which that was answered. */
  agentStops: { asked: Set<string>; answered: Set<string> };
  /** By deployment and host: the version of the agent that was told of the host when the wave began. */
  agentsBefore: Map<string, string | null>;
  /** Deployment and machine that was told to leave it. */
  cancels: Set<string>;
  /** Hosts that an operator has given a role: they may have left their group and entered it again. */
  retagged: Set<string>;
  /** By host and group: the good revision that it served when it was given another role. */
  leftInService: Map<string, string>;
  /** By machine and application: the groups that the host was in, too, when another one deployed to it last. */
  shared: Map<string, ReadonlySet<string>>;
  /** Deployment and machine that it took out of service without a script that stops what served there. */
  unstopped: Set<string>;
  /** By machine: since when its agent is let in on its newest connection. */
  letInAt: Map<string, number | null>;
  /** By the name of the machine that has a copied disk. */
  clones: Map<string, Copy>;
  /** The last of each machine, by its name. */
  snapshots: Map<string, Snapshot>;
  /** Machines that were set back to one. */
  setBack: Set<string>;
  /** The coordinator has just committed that hosts start, and nobody has heard of it. */
  isStarting: boolean;
  /** After the end of a coordinator the next one is started so much later, ms. */
  coordinatorDownMs: number;
  /** Machines on which a deployment has begun in this step. */
  begun: Machine[];
  /** Faults and operators are over. */
  isHealing: boolean;
  violate(invariant: Invariant, message: string): void;
  notice(situation: Situation): void;
  /** Something happened that planned items may wait for. */
  signal(signal: Signal | InnerSignal | SceneSignal, machine?: Machine): void;
}

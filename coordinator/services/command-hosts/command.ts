import type { Diagnostics } from '../../../shared/model/lifecycle-event.ts';

/** Source: CodeDeployCommand's model, CommandStatus. */
export type CommandStatus = 'Pending' | 'InProgress' | 'Succeeded' | 'Failed';

export interface HostCommand {
  id: string;
  iamArn: string;
  deploymentId: string;
  event: string;
  /** Place of the event, from 0. */
  nonce: number;
}

/** What a host's request tells beside its body. */
export interface Contact {
  hostId: string;
  agentVersion: string;
  /** By how far the host's clock was ahead when it signed, ms. */
  clockOffsetMs: number;
}

export interface CommandOutcome {
  status: CommandStatus;
  diagnostics: Diagnostics;
  /** What the agent sent of the scripts' output. */
  log: string;
}

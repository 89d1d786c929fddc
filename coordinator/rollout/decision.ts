import type { HostId, RevisionId } from '../../shared/core/ids.ts';
import type { ErrorInformation } from '../../shared/model/deployment.ts';
import type { TargetErrorCode } from '../../shared/model/target.ts';

/** A change that the engine commits, all of one decision in one transaction. */
export type Decision =
  /** Created becomes InProgress. */
  | { kind: 'begin' }
  | { kind: 'start-target'; targetId: number; hostId: HostId; wasHealthy: boolean; acceptBy: number }
  | {
      kind: 'fail-target';
      targetId: number;
      from: 'Pending' | 'InProgress';
      wasHealthy: boolean;
      errorCode: TargetErrorCode;
      message: string;
    }
  /** Every target in progress fails: the deployment's own time is over. */
  | { kind: 'fail-in-progress'; errorCode: TargetErrorCode; message: string }
  /** Pending targets become Skipped; the deployment ends so when the hosts in progress have. */
  | { kind: 'begin-ending'; as: 'Failed' | 'Stopped'; error: ErrorInformation }
  | { kind: 'end'; status: 'Succeeded' | 'Failed' | 'Stopped'; error: ErrorInformation | null }
  | { kind: 'create-rollback'; revisionId: RevisionId }
  | { kind: 'no-rollback'; message: string };

export interface Decided {
  decisions: Decision[];
  /** When time alone would change the answer; null when only an event can. */
  wakeAt: number | null;
}

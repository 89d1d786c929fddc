import { AppError } from '../../shared/core/errors.ts';
import { AGENT_APPLICATION } from '../../shared/model/agent-update.ts';

/** @throws AppError `conflict` for the application that the coordinator makes and changes by itself */
export function refuseReserved(application: string): void {
  if (application !== AGENT_APPLICATION) return;
  throw new AppError(
    'conflict',
    `${AGENT_APPLICATION} is kept by the coordinator itself: its revisions are versions of the agent`,
    {
      hint: 'A version of the agent goes over the fleet by drover agents update.',
      details: { reason: 'reserved' },
    },
  );
}

import type { Deployment } from '../../../shared/model/deployment.ts';

/** `d-X to 1.8.4 failed`: what became of a rollback that did not succeed, or not yet. Null when it succeeded. */
export function rollbackTrouble({
  id,
  status,
  revisionLabel,
}: Pick<Deployment, 'id' | 'status' | 'revisionLabel'>): string | null {
  const rollback = `${id} to ${revisionLabel}`;
  switch (status) {
    case 'Succeeded':
      return null;
    case 'Failed':
      return `${rollback} failed`;
    case 'Stopped':
      return `${rollback} was stopped`;
    case 'Created':
    case 'Queued':
    case 'InProgress':
    case 'Baking':
    case 'Ready':
      return `${rollback} has not ended yet`;
  }
}

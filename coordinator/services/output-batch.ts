import { LIFECYCLE_EVENTS } from '../../shared/model/lifecycle-event.ts';
import type { OutputChunk } from '../../shared/protocol/messages.ts';
import type { DatabaseTransaction } from '../storage/database.ts';

export interface OutputAcknowledgement {
  deploymentId: string;
  event: string;
  length: number;
}

const KNOWN_EVENTS: ReadonlySet<string> = new Set(LIFECYCLE_EVENTS);
const SELECT_TARGET = `SELECT t.id, d.output_cleared_at IS NOT NULL AS isCleared
  FROM targets t JOIN deployments d ON d.id = t.deployment_id WHERE t.host_id = ? AND t.deployment_id = ?`;
const NOTE_OUTPUT = 'UPDATE deployments SET output_cleared_at = NULL WHERE id = ?';

/**
 * Stores pieces of hook output at their places and says how long each output is now. A piece that was stored before is
 * recognised by its offset; one that leaves a gap is not stored, and the host sends from the length that it is told.
 * Beyond the bound a piece is acknowledged and dropped, and an empty piece at the end remembers how much there was.
 */
export async function writeOutput(
  tx: DatabaseTransaction,
  received: readonly { hostId: string; chunk: OutputChunk }[],
  maxOutputBytes: number,
): Promise<Map<string, OutputAcknowledgement[]>> {
  const acknowledgements = new Map<string, OutputAcknowledgement[]>();
  for (const { hostId, chunk } of received) {
    const [target] = await tx.selectRaw<{ id: number; isCleared: number }>(SELECT_TARGET, [hostId, chunk.deploymentId]);
    // Late: retention is to look once more.
    if (target?.isCleared === 1) await tx.executeMany(NOTE_OUTPUT, [[chunk.deploymentId]]);
    const data = Buffer.from(chunk.data, 'base64');
    const end = chunk.offset + data.length;
    // A deployment that is gone, or an event that no assignment names: acknowledged, so that the host stops sending.
    const length =
      target === undefined || !KNOWN_EVENTS.has(chunk.event)
        ? end
        : await store(tx, target.id, chunk.event, chunk.offset, data, maxOutputBytes);
    const list = acknowledgements.get(hostId) ?? [];
    const known = list.find((ack) => ack.deploymentId === chunk.deploymentId && ack.event === chunk.event);
    if (known !== undefined) known.length = length;
    else list.push({ deploymentId: chunk.deploymentId, event: chunk.event, length });
    acknowledgements.set(hostId, list);
  }
  return acknowledgements;
}

async function store(
  tx: DatabaseTransaction,
  targetId: number,
  event: string,
  offset: number,
  data: Buffer,
  maxOutputBytes: number,
): Promise<number> {
  const [last] = await tx.selectRaw<{ offset: number; bytes: number }>(
    `SELECT "offset", length(data) AS bytes FROM event_output WHERE target_id = ? AND event = ?
     ORDER BY "offset" DESC LIMIT 1`,
    [targetId, event],
  );
  const length = last === undefined ? 0 : last.offset + last.bytes;
  const end = offset + data.length;
  if (offset > length || end <= length) return length;
  const fresh = data.subarray(length - offset);
  // What is beyond the bound stays out also when that was raised since: it would not follow on what is stored.
  if (length >= maxOutputBytes || last?.bytes === 0) {
    await tx.executeMany('DELETE FROM event_output WHERE target_id = ? AND event = ? AND length(data) = 0', [
      [targetId, event],
    ]);
    await tx.executeMany('INSERT INTO event_output (target_id, event, "offset", data) VALUES (?, ?, ?, ?)', [
      [targetId, event, end, Buffer.alloc(0)],
    ]);
  } else
    await tx.executeMany('INSERT INTO event_output (target_id, event, "offset", data) VALUES (?, ?, ?, ?)', [
      [targetId, event, length, fresh],
    ]);
  return end;
}

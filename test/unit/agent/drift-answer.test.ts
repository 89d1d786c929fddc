import { expect } from 'chai';
import { driftAnswer } from '../../../agent/drift-answer.ts';
import type { GroupDrift } from '../../../agent/install/drift.ts';
import { AGENT_MESSAGE_KINDS, decodeFrame, encodeFrame } from '../../../shared/protocol/codec.ts';
import { agentMessage, MAX_DRIFT_GROUPS, MAX_FRAME_BYTES } from '../../../shared/protocol/messages.ts';

function aDrift(groupId: string, files: string[], changedFiles = files.length): GroupDrift {
  return {
    groupId,
    deploymentId: 'd-000000001',
    isInstalling: false,
    checkedFiles: 5_000,
    unrecordedFiles: 0,
    changedFiles,
    files: files.map((path) => ({ path, change: 'content' })),
  };
}
const paths = (count: number, length: number) =>
  Array.from({ length: count }, (_, index) => `/srv/${String(index).padStart(length - 5, 'x')}`);

describe('the answer about drift', () => {
  it('names all files when there is room, and says so', () => {
    const { groups, isTruncated } = driftAnswer('q-1', [aDrift('a', paths(1_000, 60)), aDrift('b', [])]);
    expect(isTruncated).to.equal(false);
    expect(groups.map((group) => [group.files.length, group.isTruncated])).to.deep.equal([
      [1_000, false],
      [0, false],
    ]);
  });

  it('says when there were more than the thousand that were looked for', () => {
    expect(driftAnswer('q-1', [aDrift('a', paths(1_000, 20), 1_001)]).groups[0]).to.include({
      isTruncated: true,
      changedFiles: 1_001,
    });
  });

  it('fits a frame however long the paths are and however many groups there are', () => {
    for (const drifts of [
      [aDrift('a', paths(1_000, 4_000)), aDrift('b', paths(1_000, 4_000))],
      [
        aDrift(
          'a',
          paths(40, 4_096).map((path) => path.replaceAll('x', '\u{1}')),
        ),
      ],
      Array.from({ length: 2 * MAX_DRIFT_GROUPS }, (_, index) =>
        aDrift(`${index}`.padStart(128, 'g'), paths(1_000, 200)),
      ),
    ]) {
      const answer = driftAnswer('q-1', drifts);
      const frame = encodeFrame(answer);
      expect(Buffer.byteLength(frame)).to.be.below(MAX_FRAME_BYTES);
      expect(decodeFrame(agentMessage, AGENT_MESSAGE_KINDS, frame)).to.deep.equal({ ok: true, message: answer });
      expect(answer.groups.map((group) => group.changedFiles)).to.deep.equal(
        drifts.slice(0, MAX_DRIFT_GROUPS).map((drift) => drift.changedFiles),
      );
      expect(answer.groups.at(-1)?.isTruncated).to.equal(true);
      expect(answer.isTruncated).to.equal(drifts.length > MAX_DRIFT_GROUPS);
    }
  });
});

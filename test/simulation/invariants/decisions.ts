import { loadRolloutView } from '../../../coordinator/engine/view-loader.ts';
import { decide } from '../../../coordinator/rollout/rollout.ts';
import { databaseOn } from '../../../coordinator/storage/sqlite.ts';
import type { DeploymentId } from '../../../shared/core/ids.ts';
import type { History } from '../history.ts';

/** I8, at each end of a coordinator: from what is stored, the same is decided twice, also from a view that was copied. */
export async function checkDecisions({ world, observer, violate }: History): Promise<void> {
  const database = databaseOn(world.database.look);
  const now = world.coordinator.clock.now();
  for (const { id } of observer.active()) {
    const decisions: string[] = [];
    for (let round = 0; round < 2; round++) {
      const loaded = await database.transaction((tx) =>
        loadRolloutView(tx, id as DeploymentId, now, {
          ...world.coordinator.config.timings,
          upSince: 0,
          missedUntil: 0,
        }),
      );
      if (loaded === null) return;
      decisions.push(
        JSON.stringify(decide(loaded.view, now)),
        JSON.stringify(decide(structuredClone(loaded.view), now)),
      );
    }
    if (new Set(decisions).size > 1) violate('I8', `${id}: ${[...new Set(decisions)].join(' or ')}`);
  }
}

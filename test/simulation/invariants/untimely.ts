import type { History } from '../history.ts';
import type { SeenDeployment } from '../observer.ts';

/** Silence after which a host is offline, as the simulated coordinator is set up, ms (docs/rollout.md, Health). */
const OFFLINE_AFTER_MS = 15_000;
/** How long a host has to come back that has not been here since the coordinator's start, ms (docs/rollout.md, Time). */
const RETURN_MS = 45_000;
/** What is decided of a host's absence is decided later than it may be, never so much earlier, ms. */
const SLACK_MS = 1_000;

/** A leap of the coordinator's clock is made up for when it is longer than this, ms (docs/rollout.md, Time). */
const LEAP_MS = 20_000;

interface GivenUp {
  id: number;
  hostId: string;
  name: string;
  errorCode: string;
}

/**
 * I4, the other way round: nobody is given up before its time. A host is offline, or lost, only so long after it was online last, with a
 * coordinator that was there to see it: its own absence is nobody's failure. Measured on the world's time: where the coordinator's clock
 * leaps, short leaps count as time that passed, and who is offline is not judged.
 */
export interface PatienceCheck {
  /** After every step: who is online. */
  look(): void;
  /** A deployment's row has changed: whether somebody was given up by it. */
  changed(deployment: SeenDeployment): void;
}

export function createPatienceCheck({ world, violate }: History): PatienceCheck {
  const { timeline, coordinator, plan } = world;
  const leaps = plan.items.filter(({ action }) => action.kind === 'coordinator-clock').length;
  const daysPass = plan.items.some(({ action }) => action.kind === 'days-pass');
  const lastOnline = new Map<string, number>();
  const judged = new Set<number>();
  let upSince = 0;
  let starts = 0;
  let commits = 0;
  let onlineNow: string[] = [];
  const online = world.database.look.prepare<[], { id: string }>(`SELECT id FROM hosts WHERE presence = 'Online'`);
  const givenUp = world.database.look.prepare<[string], GivenUp>(
    `SELECT t.id, t.host_id AS hostId, t.host_name AS name, t.error_code AS errorCode FROM targets t
     WHERE t.deployment_id = ? AND t.status = 'Failed' AND t.error_code IN ('HOST_OFFLINE', 'HOST_LOST')`,
  );

  return {
    look() {
      if (coordinator.starts !== starts) {
        starts = coordinator.starts;
        upSince = timeline.now;
        // What the rows say is from before.
        onlineNow = [];
      }
      const hub = coordinator.core?.hub;
      // That somebody has gone is true also while it cannot be written.
      if (coordinator.full.at !== null)
        onlineNow = onlineNow.filter((hostId) => {
          lastOnline.set(hostId, timeline.now);
          return hub?.isConnected(hostId) === true;
        });
      if (commits === world.database.commits) return;
      commits = world.database.commits;
      const before = onlineNow;
      onlineNow = online.all().flatMap((host) => (hub?.isConnected(host.id) === true ? [host.id] : []));
      for (const hostId of [...before, ...onlineNow]) lastOnline.set(hostId, timeline.now);
    },
    changed({ id: deploymentId }) {
      if (daysPass) return;
      for (const { id, hostId, name, errorCode } of givenUp.all(deploymentId)) {
        if (judged.has(id)) continue;
        judged.add(id);
        if (errorCode === 'HOST_OFFLINE' && leaps > 0) continue;
        // One that has never been here is offline from its enrolment on.
        const seen = lastOnline.get(hostId);
        if (seen === undefined) continue;
        const untilOfflineMs = seen > upSince ? OFFLINE_AFTER_MS : RETURN_MS;
        const patienceMs = errorCode === 'HOST_LOST' ? plan.hostLostAfterMs : untilOfflineMs;
        const since = Math.max(seen, upSince);
        if (timeline.now - since < patienceMs - SLACK_MS - leaps * LEAP_MS)
          violate('I4', `${deploymentId} gives ${name} up as ${errorCode} after ${timeline.now - since} ms`);
      }
    },
  };
}

import { installedPath } from './world/bundle.ts';
import type { Machine } from './world/machine.ts';
import type { ScriptEnd, ScriptRun } from './world/processes.ts';

/** What one application's service on one machine really is. */
export interface Service {
  /** The revision that serves; null while it is down. */
  serves: string | null;
  /** The last deployment whose scripts ran here. */
  deploymentId: string | null;
  /** Its last script succeeded: nothing of it is under way or broken. */
  isWhole: boolean;
  /** How its last script ended is on the disk: an agent that dies now can still tell. */
  isTold: boolean;
}

interface Run {
  deploymentId: string;
  event: string;
  index: number;
  end: ScriptEnd | null;
}

/** What the machines really did: written down by simulated processes, never by what anybody believes. */
export class Truth {
  readonly #services = new Map<string, Service>();
  readonly #runs = new Map<string, Run[]>();
  readonly #running = new Map<string, Set<Run>>();
  /** By machine, in the order in which deployments began there. */
  readonly #begun = new Map<string, Set<string>>();

  serviceOf(machine: string, application: string): Service {
    const key = `${machine} ${application}`;
    let service = this.#services.get(key);
    if (service === undefined) {
      service = { serves: null, deploymentId: null, isWhole: false, isTold: false };
      this.#services.set(key, service);
    }
    return service;
  }

  isInService(machine: Machine, application: string): boolean {
    const service = this.serviceOf(machine.name, application);
    return machine.isOn && service.serves !== null && service.isWhole;
  }

  /** Every start of a script on a machine for a deployment. */
  runsOf(machine: string, deploymentId: string): readonly Run[] {
    return this.#runs.get(`${machine} ${deploymentId}`) ?? [];
  }

  /** Deployments that have a script running on the machine just now. */
  runningOn(machine: string): string[] {
    return [...(this.#running.get(machine) ?? [])].map((run) => run.deploymentId);
  }

  hasBegun(machine: string, deploymentId: string): boolean {
    return this.#begun.get(machine)?.has(deploymentId) ?? false;
  }

  /** True when it is the first script of this deployment on the machine. */
  began(machine: string, run: ScriptRun): boolean {
    const key = `${machine} ${run.deploymentId}`;
    const runs = this.#runs.get(key) ?? [];
    const begun: Run = { deploymentId: run.deploymentId, event: run.event, index: run.script.index, end: null };
    runs.push(begun);
    this.#runs.set(key, runs);
    const running = this.#running.get(machine) ?? new Set();
    this.#running.set(machine, running.add(begun));
    const deployments = this.#begun.get(machine) ?? new Set();
    const isFirst = !deployments.has(run.deploymentId);
    this.#begun.set(machine, deployments.add(run.deploymentId));
    const service = this.serviceOf(machine, run.script.application);
    service.deploymentId = run.deploymentId;
    service.isWhole = false;
    if (run.event === 'ApplicationStop') service.serves = null;
    return isFirst;
  }

  ended(machine: Machine, run: ScriptRun, how: ScriptEnd): void {
    const known = this.#runs
      .get(`${machine.name} ${run.deploymentId}`)
      ?.findLast((each) => each.event === run.event && each.index === run.script.index && each.end === null);
    if (known !== undefined) {
      known.end = how;
      this.#running.get(machine.name)?.delete(known);
    }
    if (how !== 'succeeded') return;
    const service = this.serviceOf(machine.name, run.script.application);
    if (run.event === 'ApplicationStart') service.serves = installedOn(machine, run.script.application);
    service.isTold = machine.files.find(run.statusPath) !== null;
    if (run.event === 'ValidateService' && run.script.isLast) service.isWhole = true;
  }

  /** All of a machine's services, as they are now. */
  servicesOf(machine: string): ReadonlyMap<string, Service> {
    const own = [...this.#services].filter(([key]) => key.startsWith(`${machine} `));
    return new Map(own.map(([key, service]) => [key, { ...service }]));
  }

  /** Its disk is what it was, and so is what comes up from it. */
  setBack(machine: string, services: ReadonlyMap<string, Service>): void {
    for (const key of this.#services.keys()) if (key.startsWith(`${machine} `)) this.#services.delete(key);
    for (const [key, service] of services) this.#services.set(key, { ...service });
  }

  /** What was up before a boot comes up again, as the disk has it. */
  booted(machine: Machine, applications: readonly string[]): void {
    for (const application of applications) {
      const service = this.serviceOf(machine.name, application);
      if (service.serves !== null) service.serves = installedOn(machine, application);
    }
  }
}

/** The label in the file that Install put there; null when there is none. */
export function installedOn(machine: Machine, application: string): string | null {
  const path = installedPath(application);
  return machine.files.find(path) === null ? null : machine.files.read(path).toString('utf8');
}

/** A process of the simulated world: it lives until it is ended, and whatever it asks for afterwards is never answered. */
export interface SimulatedProcess {
  readonly isAlive: boolean;
  /** Returns nothing and throws {@link ProcessEnded}, so that code of the process which is just running goes no further. */
  end(why: string): never;
  /** Ends it from outside. */
  kill(why: string): void;
  /** A promise that is answered only while the process lives. */
  answer<Value>(make: () => Value): Promise<Value>;
}

/** Thrown through the code of a process that was ended while it ran. Nobody may take it for a failure. */
export class ProcessEnded extends Error {
  constructor() {
    super('this process was ended');
    this.name = 'ProcessEnded';
  }
}

export function createProcess(onEnd: (why: string) => void): SimulatedProcess {
  let isAlive = true;
  const never = new Promise<never>(() => {});
  const kill = (why: string) => {
    if (!isAlive) return;
    isAlive = false;
    onEnd(why);
  };
  return {
    get isAlive() {
      return isAlive;
    },
    end(why) {
      kill(why);
      throw new ProcessEnded();
    },
    kill,
    async answer(make) {
      if (!isAlive) return never;
      try {
        const value = make();
        return isAlive ? value : never;
      } catch (error) {
        if (!isAlive) return never;
        throw error;
      }
    },
  };
}

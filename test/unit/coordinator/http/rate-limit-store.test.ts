import { expect } from 'chai';
import { createRateLimitStore } from '../../../../coordinator/http/rate-limit-store.ts';
import { createFakeClock } from '../../../support/fake-clock.ts';

const WINDOW_MS = 60_000;

function aStore(options: { maxKeys?: number } = {}) {
  const clock = createFakeClock();
  let offsetMs = 0;
  const Store = createRateLimitStore({
    clock: { now: () => clock.now() + offsetMs, setTimer: clock.setTimer },
    maxKeys: options.maxKeys ?? 100,
  });
  const root = new Store({});
  const route = (groupId: string) => {
    // What the plugin hands over; its types speak of a route.
    const store = root.child({ groupId } as never);
    return (key: string): { current: number; ttl: number } => {
      let answer = { current: 0, ttl: 0 };
      store.incr(key, (_error, result) => (answer = result ?? answer), WINDOW_MS, 10);
      return answer;
    };
  };
  return { clock, route, setBack: (ms: number) => (offsetMs -= ms) };
}

describe('what the rate limits count with', () => {
  it('counts the routes of a tier together, and tiers and keys apart', () => {
    const { route } = aStore();
    const [hosts, applications, enrol] = [route('operator'), route('operator'), route('enrolment')];
    expect([hosts('a').current, applications('a').current, hosts('a').current]).to.deep.equal([1, 2, 3]);
    expect([applications('b').current, enrol('a').current]).to.deep.equal([1, 1]);
  });

  it('begins anew when the minute is over, and says how long that is', async () => {
    const { clock, route } = aStore();
    const count = route('operator');
    count('a');
    await clock.advance(WINDOW_MS - 1);
    expect(count('a')).to.deep.equal({ current: 2, ttl: 1 });
    await clock.advance(1);
    expect(count('a')).to.deep.equal({ current: 1, ttl: WINDOW_MS });
  });

  it('holds nobody longer because the clock was set back', () => {
    const { route, setBack } = aStore();
    const count = route('operator');
    count('a');
    setBack(3_600_000);
    expect(count('a')).to.deep.equal({ current: 1, ttl: WINDOW_MS });
  });

  it('forgets who has asked for nothing for longest when there are too many', () => {
    const { route } = aStore({ maxKeys: 2 });
    const count = route('operator');
    for (const key of ['a', 'b', 'a', 'c']) count(key);
    expect([count('a').current, count('b').current]).to.deep.equal([3, 1]);
  });
});

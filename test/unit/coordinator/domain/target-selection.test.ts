import { expect } from 'chai';
import {
  inPlanOrder,
  isHealthy,
  isSelected,
  type OrderedHost,
} from '../../../../coordinator/domain/target-selection.ts';
import { type HostSelection, hostSelection } from '../../../../shared/model/deployment-group.ts';

function selects(selection: Partial<HostSelection>, tags: Record<string, string>, scalingGroup: string | null = null) {
  return isSelected(hostSelection.parse(selection), { name: 'web-1', tags, scalingGroup });
}
const web = { type: 'KEY_AND_VALUE', key: 'role', value: 'web' } as const;
const blue = { type: 'KEY_AND_VALUE', key: 'colour', value: 'blue' } as const;

describe('isSelected', () => {
  it('takes a host that matches any one of the tag filters', () => {
    expect(selects({ tagFilters: [web, blue] }, { role: 'web' })).to.equal(true);
    expect(selects({ tagFilters: [web, blue] }, { role: 'db' })).to.equal(false);
  });

  it('takes a host that matches one filter of every list of a tag set', () => {
    expect(selects({ tagSet: [[web], [blue]] }, { role: 'web', colour: 'blue' })).to.equal(true);
    expect(selects({ tagSet: [[web], [blue]] }, { role: 'web' })).to.equal(false);
    expect(selects({ tagSet: [[web, blue]] }, { colour: 'blue' })).to.equal(true);
    const either = { tagSet: [[web], [blue]], alternativeTagSets: [[[blue], [web]], [[blue]]] };
    expect(selects(either, { colour: 'blue' })).to.equal(true);
    expect(selects(either, { role: 'web' })).to.equal(false);
  });

  it('knows the three types of filter', () => {
    expect(selects({ tagFilters: [{ type: 'KEY_ONLY', key: 'role' }] }, { role: 'anything' })).to.equal(true);
    expect(selects({ tagFilters: [{ type: 'VALUE_ONLY', value: 'web' }] }, { x: 'web' })).to.equal(true);
    expect(selects({ tagFilters: [{ type: 'KEY_ONLY', key: 'toString' }] }, {})).to.equal(false);
  });

  it('matches exactly, upper and lower case included', () => {
    expect(selects({ tagFilters: [web] }, { role: 'Web' })).to.equal(false);
    expect(selects({ tagFilters: [web] }, { role: 'web ' })).to.equal(false);
  });

  it('unites the sources', () => {
    expect(selects({ tagFilters: [blue], hostNames: ['web-1'] }, {})).to.equal(true);
    expect(selects({ scalingGroups: ['asg'] }, {}, 'asg')).to.equal(true);
    expect(selects({ scalingGroups: ['asg'] }, {}, null)).to.equal(false);
  });

  it('takes no host when nothing is said', () => {
    expect(selects({}, { role: 'web' }, 'asg')).to.equal(false);
  });
});

describe('inPlanOrder', () => {
  const host = (name: string, changes: Partial<OrderedHost> = {}): OrderedHost => ({
    name,
    instanceHealth: 'Healthy',
    revisionHealth: 'Current',
    isOffline: false,
    ...changes,
  });

  it('puts offline, unhealthy, unknown, old and current hosts in this order', () => {
    const hosts = [
      host('current'),
      host('old', { revisionHealth: 'Old' }),
      host('unknown', { revisionHealth: 'Unknown' }),
      host('unhealthy', { instanceHealth: 'Unhealthy' }),
      host('offline', { isOffline: true }),
    ];
    expect(inPlanOrder(hosts).map((h) => h.name)).to.deep.equal(['offline', 'unhealthy', 'unknown', 'old', 'current']);
  });

  it('orders by name inside a class, numbers as numbers', () => {
    const names = ['web-10', 'web-2', 'db-1', 'web-1', 'web-02'];
    expect(inPlanOrder(names.map((name) => host(name))).map((h) => h.name)).to.deep.equal([
      'db-1',
      'web-1',
      'web-02',
      'web-2',
      'web-10',
    ]);
  });

  it('counts only a healthy host as in service, also while it is away', () => {
    expect(isHealthy(host('a'))).to.equal(true);
    expect(isHealthy(host('a', { isOffline: true }))).to.equal(true);
    expect(isHealthy(host('a', { instanceHealth: 'Unknown' }))).to.equal(false);
  });
});

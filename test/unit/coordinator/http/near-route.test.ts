import { expect } from 'chai';
import { nearRouteHint } from '../../../../coordinator/http/near-route.ts';
import type { Route } from '../../../../shared/api/route.ts';
import { routes } from '../../../../shared/api/routes.ts';

describe('nearRouteHint', () => {
  const all = Object.values<Route>(routes);

  it('names the method of a path that exists', () => {
    expect(nearRouteHint('PUT', '/v1/hosts/web-1', all)).to.equal(
      '/v1/hosts/web-1 is asked with GET or PATCH or DELETE, not with PUT.',
    );
  });

  it("names the nearest path, with the caller's own names in it", () => {
    expect(nearRouteHint('GET', '/v1/aplications/web/revisions', all)).to.equal(
      'Did you mean /v1/applications/web/revisions?',
    );
  });

  it('points at the list when nothing is near', () => {
    expect(nearRouteHint('GET', '/favicon.ico', all)).to.contain('/v1/openapi.json');
  });

  it('costs next to nothing, however long the path is: nobody needs a token to ask', () => {
    const paths = [
      `/v1/applicationz/${'a'.repeat(15_000)}`,
      `/v1/applicationz/${'a'.repeat(1_000)}`,
      `/v1/${'a/'.repeat(7_000)}`,
    ];
    const began = performance.now();
    for (const path of paths) expect(nearRouteHint('GET', path, all)).to.contain('/v1/openapi.json');
    expect(performance.now() - began).to.be.below(250);
  });
});

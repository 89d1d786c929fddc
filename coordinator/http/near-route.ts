import type { Route } from '../../shared/api/route.ts';
import { nearestName } from '../../shared/appspec/nearest.ts';

/** Nothing is near a path that is longer, and whoever asks, without a token, is not to cost much. */
const MAX_PATH = 1_024;
const NOTHING_NEAR = 'GET /v1/openapi.json lists every route.';
const BESIDE_THE_API = ['/healthz', '/readyz', '/metrics', '/v1/openapi.json'];

/** What a request for a route that does not exist was probably meant for, as a hint. */
export function nearRouteHint(method: string, path: string, routes: readonly Route[]): string {
  if (path.length > MAX_PATH) return NOTHING_NEAR;
  const methods = routes.filter((route) => fits(route.path, path)).map((route) => route.method);
  if (methods.length > 0) return `${path} is asked with ${[...new Set(methods)].join(' or ')}, not with ${method}.`;
  const candidates = [...BESIDE_THE_API, ...routes.map((route) => withSegmentsOf(route.path, path))];
  const nearest = nearestName(path, candidates);
  return nearest === null ? NOTHING_NEAR : `Did you mean ${nearest}?`;
}

function fits(template: string, path: string): boolean {
  const [wanted, given] = [template.split('/'), path.split('/')];
  return wanted.length === given.length && wanted.every((part, at) => part.startsWith(':') || part === given[at]);
}

/** The template with the path's own segments at its parameters, so that only the fixed words are compared. */
function withSegmentsOf(template: string, path: string): string {
  const given = path.split('/');
  return template
    .split('/')
    .map((part, at) => (part.startsWith(':') ? (given[at] ?? part) : part))
    .join('/');
}

import type { FastifyInstance } from 'fastify';
import { AppError, errorMessage } from '../../shared/core/errors.ts';
import type { Metrics } from '../metrics/metrics.ts';
import type { RateLimits } from './rate-limits.ts';
import { openApiDocument } from './rest/openapi.ts';

export interface Readiness {
  /** Throws with the reason while the coordinator cannot do its work. */
  check(): Promise<void>;
}

/** Beside the API: is the process up, can it work, what are its figures, and what is the API. */
export function registerSystemRoutes(
  app: FastifyInstance,
  parts: { metrics: Metrics; readiness: Readiness; rateLimits: RateLimits },
): void {
  const openApi = JSON.stringify(openApiDocument());
  const limit = parts.rateLimits.system();
  app.get('/healthz', limit, async (_request, reply) => reply.type('text/plain').send('ok\n'));
  app.get('/readyz', limit, async (_request, reply) => {
    try {
      await parts.readiness.check();
    } catch (error) {
      throw new AppError('unavailable', `not ready: ${errorMessage(error)}`, { cause: error });
    }
    return reply.type('text/plain').send('ready\n');
  });
  app.get('/metrics', limit, async (_request, reply) => {
    const { contentType, body } = await parts.metrics.text();
    return reply.type(contentType).send(body);
  });
  app.get('/v1/openapi.json', limit, async (_request, reply) =>
    reply.type('application/json; charset=utf-8').send(openApi),
  );
}

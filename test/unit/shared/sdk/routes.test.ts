import { expect } from 'chai';
import * as z from 'zod';
import { routes } from '../../../../shared/api/routes.ts';

describe('the SDK merges path parameters, query and body into one object', () => {
  for (const [name, route] of Object.entries(routes))
    it(`and ${name} has no key in two of them`, () => {
      const keys = [route.params, route.query, route.body].flatMap((schema: z.ZodType) =>
        schema instanceof z.ZodObject ? Object.keys(schema.shape) : [],
      );
      expect(keys).to.have.lengthOf(new Set(keys).size);
      const inPath = [...route.path.matchAll(/:([A-Za-z]+)/g)].map((match) => match[1]);
      expect(route.params instanceof z.ZodObject ? Object.keys(route.params.shape) : []).to.have.members(inPath);
    });
});

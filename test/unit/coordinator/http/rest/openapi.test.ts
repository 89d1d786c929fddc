import { expect } from 'chai';
import { HTTP_STATUS } from '../../../../../coordinator/http/errors.ts';
import { openApiDocument } from '../../../../../coordinator/http/rest/openapi.ts';
import type { Route } from '../../../../../shared/api/route.ts';
import { routes } from '../../../../../shared/api/routes.ts';
import { at } from '../../../../support/coordinator.ts';

describe('the OpenAPI document', () => {
  const document = openApiDocument();

  it('has every route with its parameters, replies and errors', () => {
    for (const [name, route] of Object.entries<Route>(routes)) {
      const path = route.path.replaceAll(/:([A-Za-z]+)/g, '{$1}');
      const operation = (at(document, 'paths') as Record<string, Record<string, unknown>>)[path]?.[
        route.method.toLowerCase()
      ];
      expect(at(operation, 'operationId'), name).to.equal(name);
      const inPath = [...path.matchAll(/\{([A-Za-z]+)\}/g)].map((match) => match[1]);
      const told = (at(operation, 'parameters') as { name: string; in: string; schema: object }[]).filter(
        (parameter) => parameter.in === 'path',
      );
      expect(told.map((parameter) => parameter.name)).to.have.members(inPath);
      const responses = at(operation, 'responses') as Record<string, unknown>;
      expect(responses).to.have.property(String(route.status));
      for (const code of route.errors) expect(responses).to.have.property(String(HTTP_STATUS[code]));
    }
  });

  it('has what every route may answer: that the coordinator stops, and that a body is too large', () => {
    const list = at(document, 'paths') as Record<string, { get?: unknown; post?: unknown }>;
    const errorsOf = (operation: unknown) => Object.keys(at(operation, 'responses') as object);
    expect(errorsOf(list['/v1/applications']?.get)).to.include('503').and.not.to.include('413');
    expect(errorsOf(list['/v1/applications']?.post)).to.include.members(['503', '413']);
  });

  it('says how a number in a query is written, and what a body may have', () => {
    const list = at(document, 'paths') as Record<string, { get?: unknown; post?: unknown }>;
    const parameters = at(list['/v1/hosts']?.get, 'parameters') as { name: string; schema: object }[];
    const limit = parameters.find((parameter) => parameter.name === 'limit');
    expect(limit?.schema).to.deep.include({ type: 'integer', maximum: 500 });

    const body = at(list['/v1/applications']?.post, 'requestBody.content');
    const schema = (body as Record<string, { schema: object }>)['application/json']?.schema;
    expect(schema).to.deep.include({ type: 'object', additionalProperties: false, required: ['name'] });
  });

  it('has only references that lead somewhere', () => {
    const text = JSON.stringify(document);
    const references = new Set([...text.matchAll(/"\$ref":"([^"]+)"/g)].map((match) => match[1] ?? ''));
    expect(references.size).to.be.greaterThan(0);
    for (const reference of references)
      if (reference.startsWith('#/components/'))
        expect(at(document, reference.slice(2).replaceAll('/', '.')), reference).to.be.an('object');
  });
});

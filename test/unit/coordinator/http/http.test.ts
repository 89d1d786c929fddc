import { expect } from 'chai';
import { z } from 'zod';
import { HTTP_STATUS, toAppError, toProblem } from '../../../../coordinator/http/errors.ts';
import { nearRouteHint } from '../../../../coordinator/http/near-route.ts';
import { parseRange } from '../../../../coordinator/http/range.ts';
import { openApiDocument } from '../../../../coordinator/http/rest/openapi.ts';
import { parsePart } from '../../../../coordinator/http/validation.ts';
import { problemBody, type Route } from '../../../../shared/api/route.ts';
import { routes } from '../../../../shared/api/routes.ts';
import { AppError, ERROR_CODES, isAppError } from '../../../../shared/core/errors.ts';
import { at } from '../../../support/coordinator.ts';

describe('problem documents', () => {
  it('have a status for every code', () => {
    for (const code of ERROR_CODES) expect(HTTP_STATUS[code]).to.be.within(400, 599);
  });

  it('tell code, message, hint, details and the request', () => {
    const error = new AppError('conflict', 'it runs', { hint: 'stop it', details: { activeDeploymentId: 'd-1' } });
    const problem = toProblem(error, 'req-1');

    expect(problemBody.parse(problem)).to.include({
      status: 409,
      code: 'conflict',
      detail: 'it runs',
      hint: 'stop it',
    });
    expect(problem).to.deep.include({ requestId: 'req-1', details: { activeDeploymentId: 'd-1' } });
  });

  it('keep what went wrong inside for the log', () => {
    const problem = toProblem(toAppError(new Error('SELECT * FROM secrets')), 'req-1');

    expect(problem.status).to.equal(500);
    expect(JSON.stringify(problem)).not.to.contain('secrets');
    expect(problem.hint).to.contain('request id');
  });

  it('understand the errors of the HTTP framework by their status', () => {
    expect(toAppError(Object.assign(new Error('big'), { statusCode: 413 })).code).to.equal('too_large');
    expect(toAppError(Object.assign(new Error('type'), { statusCode: 415 })).code).to.equal('invalid');
    expect(toAppError(Object.assign(new Error('odd'), { statusCode: 418 })).code).to.equal('invalid');
  });
});

describe('parsePart', () => {
  const schema = z.strictObject({ name: z.string(), uses: z.number().int().max(5).optional() });
  const failure = (value: unknown) => {
    try {
      parsePart(schema, value, 'body');
    } catch (error) {
      if (isAppError(error, 'invalid')) return error;
    }
    throw new Error('was not refused as invalid');
  };

  it('names the place of a wrong value and what was expected', () => {
    expect(failure({ name: 'a', uses: 'x' }).message).to.match(/body\.uses: .*number/);
    expect(failure({ name: 'a', uses: 6 }).message).to.contain('body.uses');
  });

  it('names an unknown key before all else, with the one that was meant', () => {
    const error = failure({ nam: 'a' });

    expect(error.message).to.match(/^body: unknown key "nam"/);
    expect(error.hint).to.equal('Did you mean name?');
  });

  it('names the body itself when it is something else', () => {
    expect(failure([]).message).to.match(/^body: /);
    expect(failure(null).message).to.match(/^body: /);
  });
});

describe('parseRange', () => {
  it('reads a range, an open one and a suffix', () => {
    expect(parseRange('bytes=0-9', 100)).to.deep.equal({ kind: 'part', start: 0, end: 9 });
    expect(parseRange('bytes=90-', 100)).to.deep.equal({ kind: 'part', start: 90, end: 99 });
    expect(parseRange('bytes=-10', 100)).to.deep.equal({ kind: 'part', start: 90, end: 99 });
    expect(parseRange('bytes=50-500', 100)).to.deep.equal({ kind: 'part', start: 50, end: 99 });
    expect(parseRange('bytes=-500', 100)).to.deep.equal({ kind: 'part', start: 0, end: 99 });
  });

  it('says when nothing of it is there', () => {
    expect(parseRange('bytes=100-', 100).kind).to.equal('unsatisfiable');
    expect(parseRange('bytes=-0', 100).kind).to.equal('unsatisfiable');
    expect(parseRange('bytes=0-', 0).kind).to.equal('unsatisfiable');
  });

  it('gives everything for what it does not understand', () => {
    for (const header of [undefined, '', 'bytes=', 'bytes=-', 'bytes=5-2', 'bytes=0-1,5-6', 'items=0-1', 'bytes=a-b'])
      expect(parseRange(header, 100).kind).to.equal('all');
  });
});

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
});

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

import BetterSqlite3 from 'better-sqlite3';
import { expect } from 'chai';
import { HTTP_STATUS, toAppError, toProblem } from '../../../../coordinator/http/errors.ts';
import { problemBody } from '../../../../shared/api/route.ts';
import { AppError, ERROR_CODES } from '../../../../shared/core/errors.ts';

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

  it('tell of a database whose disk is full that nothing was changed, and what is to be done', () => {
    const database = new BetterSqlite3(':memory:');
    database.pragma('max_page_count = 4');
    const fill = () => {
      database.exec('CREATE TABLE pages (content BLOB)');
      for (let page = 0; page < 10; page++) database.exec('INSERT INTO pages VALUES (zeroblob(4096))');
    };
    let thrown: unknown;
    try {
      fill();
    } catch (error) {
      thrown = error;
    } finally {
      database.close();
    }
    const problem = toProblem(toAppError(thrown), 'req-1');
    expect(problem).to.include({ status: 503, code: 'unavailable' });
    expect(problem.detail).to.contain('nothing was changed');
    expect(problem.hint).to.contain('is full');
  });

  it('understand the errors of the HTTP framework by their status', () => {
    expect(toAppError(Object.assign(new Error('big'), { statusCode: 413 })).code).to.equal('too_large');
    expect(toAppError(Object.assign(new Error('type'), { statusCode: 415 })).code).to.equal('invalid');
    expect(toAppError(Object.assign(new Error('odd'), { statusCode: 418 })).code).to.equal('invalid');
  });
});

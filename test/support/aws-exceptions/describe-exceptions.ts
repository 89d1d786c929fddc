import * as sdk from '@aws-sdk/client-codedeploy';
import { expect } from 'chai';
import type { OperationName } from '../../../coordinator/http/aws/model.ts';
import { codeDeployClient } from '../aws-tools.ts';
import { bodyOf, type Provoked } from './cases.ts';
import { type Area, areaCases, titleOf } from './registry.ts';
import { ExceptionWorld, exceptionIn, type WireAnswer } from './world.ts';

/** A suite with a test for every exception of an area's operations that can be met. */
export function describeExceptions(area: Area): void {
  describe(`exceptions of CodeDeploy's API: ${area}`, function () {
    this.timeout(30_000);
    let world: ExceptionWorld;
    before(async () => {
      world = await ExceptionWorld.start();
    });
    after(() => world.close());

    for (const { operation, exception, known } of areaCases(area)) {
      if ('never' in known) continue;
      it(titleOf(operation, exception, known), async () => {
        const body = await bodyOf(known.send, world);
        const answer = await send(world, operation, known, body);
        expectEnvelope(answer, exception);
        // What is told by the wire is what the SDK's users catch.
        if (known.isThrottled !== true) expect(await thrownBySdk(world, operation, body)).to.equal(exception);
      });
    }
  });
}

function send(world: ExceptionWorld, operation: OperationName, known: Provoked, body: object): Promise<WireAnswer> {
  return known.isThrottled === true ? world.sendThrottled(operation, { ...body }) : world.send(operation, { ...body });
}

function expectEnvelope(answer: WireAnswer, exception: string): void {
  expect(exceptionIn(answer), answer.text).to.equal(exception);
  expect(answer.status).to.equal(400);
  expect(answer.contentType).to.equal('application/x-amz-json-1.1');
  expect(answer.requestId).to.match(/^[0-9a-f-]{36}$/);
  const { __type: _type, message, ...rest } = JSON.parse(answer.text) as Record<string, unknown>;
  expect(message).to.be.a('string').that.has.length.above(10);
  expect(rest).to.deep.equal({});
}

type Constructor = new (...args: never[]) => object;

/** The class of the SDK's that what it throws is an instance of, by its name. */
async function thrownBySdk(world: ExceptionWorld, operation: OperationName, body: object): Promise<string> {
  const exported = sdk as unknown as Record<string, Constructor>;
  const Command = exported[`${operation}Command`];
  if (Command === undefined) throw new Error(`the SDK has no ${operation}Command`);
  const client = codeDeployClient(world.url, world.key);
  try {
    // Its constructors take any input; the ones here are wrong on purpose.
    await client.send(new (Command as new (input: object) => never)(body));
    return 'nothing was thrown';
  } catch (error) {
    const { name } = error as Error;
    const Exception = exported[name];
    return Exception !== undefined && error instanceof Exception ? name : `no class of the SDK: ${String(error)}`;
  } finally {
    client.destroy();
  }
}

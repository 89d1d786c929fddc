import { existsSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { expect } from 'chai';
import { isOperation, OPERATIONS, type Shape, shapeNamed } from '../../../../../coordinator/http/aws/model.ts';
import { SHAPES } from '../../../../../coordinator/http/aws/model-data.ts';
import { exceptionNames } from '../../../../../coordinator/http/aws/validate.ts';

const PLACES = ['/usr/lib/python3/dist-packages/awscli/botocore', '/usr/lib/python3/dist-packages/botocore'].flatMap(
  (root) => ['service-2.json', 'service-2.json.gz'].map((name) => `${root}/data/codedeploy/2014-10-06/${name}`),
);
const installed = PLACES.find((path) => existsSync(path));

describe("the model of CodeDeploy's API", () => {
  it('has 47 operations, and every shape that one names', () => {
    expect(Object.keys(OPERATIONS)).to.have.length(47);
    const used = Object.values(OPERATIONS).flatMap(({ input, output }) =>
      [input, output].filter((name) => name !== null),
    );
    const inner = Object.keys(SHAPES).flatMap((name) => namesIn(shapeNamed(name)));
    for (const name of [...used, ...inner]) expect(SHAPES, name).to.have.property(name);
  });

  it('knows an operation by its own name alone', () => {
    expect(isOperation('GetDeployment')).to.equal(true);
    for (const name of ['getDeployment', 'toString', '__proto__', '']) expect(isOperation(name), name).to.equal(false);
  });

  it('has every exception that validation can give', () => {
    const modelled = new Set<string>(Object.values(OPERATIONS).flatMap((operation) => operation.errors));
    // Some members have one exception for both cases, which is then given as both.
    expect(exceptionNames().filter((name) => !modelled.has(name))).to.deep.equal([]);
  });

  const title = `lacks nothing of ${installed ?? 'an installed botocore'}`;
  if (installed === undefined) it.skip(`${title} (awscli is not installed)`);
  else
    it(title, () => {
      const bytes = readFileSync(installed);
      const text = installed.endsWith('.gz') ? gunzipSync(bytes).toString('utf8') : bytes.toString('utf8');
      const model = JSON.parse(text) as Botocore;
      for (const [name, operation] of Object.entries(model.operations)) {
        if (!isOperation(name)) throw new Error(`no operation ${name}`);
        expect(OPERATIONS[name].errors, name).to.include.members((operation.errors ?? []).map((one) => one.shape));
      }
      for (const [name, theirs] of Object.entries(model.shapes)) {
        if (theirs.exception === true) continue;
        const ours = shapeNamed(name);
        expect(ours?.type, name).to.equal(theirs.type);
        if (ours.type === 'structure') {
          expect(Object.keys(ours.members), name).to.include.members(Object.keys(theirs.members ?? {}));
          expect(ours.required, name).to.include.members(theirs.required ?? []);
        }
        if (ours.type === 'string') expect(ours.enum ?? [], name).to.include.members(theirs.enum ?? []);
      }
    });
});

interface Botocore {
  operations: Record<string, { errors?: { shape: string }[] }>;
  shapes: Record<string, { type: string; exception?: boolean; members?: object; required?: string[]; enum?: string[] }>;
}

function namesIn(shape: Shape): string[] {
  switch (shape.type) {
    case 'structure':
      return Object.values(shape.members);
    case 'list':
      return [shape.member];
    case 'map':
      return [shape.key, shape.value];
    default:
      return [];
  }
}

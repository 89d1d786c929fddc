// Writes coordinator/http/aws/model-data.ts from botocore's model of CodeDeploy (Apache-2.0), without its prose:
//   node .ci/generate-codedeploy-model.mjs /usr/lib/python3/dist-packages/awscli/botocore/data/codedeploy/2014-10-06/service-2.json
// A service-2.json.gz is read too. A test compares the result with whatever botocore a machine has.
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';

const TARGET = join(import.meta.dirname, '../coordinator/http/aws/model-data.ts');
const [path] = process.argv.slice(2);
if (path === undefined) {
  console.error('usage: generate-codedeploy-model.mjs <service-2.json[.gz]>');
  process.exit(2);
}
const bytes = readFileSync(path);
const model = JSON.parse(path.endsWith('.gz') ? gunzipSync(bytes) : bytes);
addNewerThanBotocore(model);

const operations = {};
for (const [name, operation] of Object.entries(model.operations).sort(byName))
  operations[name] = {
    input: operation.input?.shape ?? null,
    output: operation.output?.shape ?? null,
    errors: (operation.errors ?? []).map((error) => error.shape),
  };
const shapes = {};
for (const [name, shape] of Object.entries(model.shapes).sort(byName)) {
  if (shape.exception) continue;
  shapes[name] = compact(shape);
}
const header = `/**
 * The shapes of CodeDeploy's API of 2014-10-06: operations, members, required ones, lengths, enumerations, exceptions.
 * Made by .ci/generate-codedeploy-model.mjs from botocore's codedeploy/2014-10-06/service-2.json, which is licensed under the
 * Apache License 2.0 (https://github.com/boto/botocore); not written by hand. \`deploymentMode\` is newer than that file.
 */
`;
writeFileSync(
  TARGET,
  `${header}export const OPERATIONS = ${JSON.stringify(operations)} as const;\nexport const SHAPES = ${JSON.stringify(shapes)} as const;\n`,
);
execFileSync('npx', ['biome', 'check', '--write', TARGET], { stdio: 'inherit' });

function compact(shape) {
  const { type, enum: values, min, max, required, members, member, key, value } = shape;
  switch (type) {
    case 'structure':
      return {
        type,
        members: Object.fromEntries(Object.entries(members).map(([name, { shape: of }]) => [name, of])),
        required: required ?? [],
      };
    case 'list':
      return { type, member: member.shape };
    case 'map':
      return { type, key: key.shape, value: value.shape };
    default:
      return {
        type,
        ...(values === undefined ? {} : { enum: values }),
        ...(min === undefined ? {} : { min }),
        ...(max === undefined ? {} : { max }),
      };
  }
}

/** Source: the API Reference and @aws-sdk/client-codedeploy, of September 2026. */
function addNewerThanBotocore({ shapes: all }) {
  all.DeploymentMode ??= { type: 'string', enum: ['STANDARD', 'RESTART'] };
  for (const name of ['CreateDeploymentInput', 'DeploymentInfo'])
    all[name].members.deploymentMode ??= { shape: 'DeploymentMode' };
}

function byName([a], [b]) {
  return a < b ? -1 : 1;
}

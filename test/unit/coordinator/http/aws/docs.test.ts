import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { OPERATION_ROLES } from '../../../../../coordinator/http/aws/codedeploy.ts';

describe('docs/aws-compatibility.md', () => {
  it('lists every operation with the role that it needs, and no other', () => {
    const page = readFileSync(join(import.meta.dirname, '../../../../../docs/aws-compatibility.md'), 'utf8');
    const listed = [...page.matchAll(/^\| ([A-Z]\w+) \| (viewer|deployer|admin) \|/gm)].map(
      ([, name, role]) => `${name} ${role}`,
    );
    const served = Object.entries(OPERATION_ROLES).map(([name, role]) => `${name} ${role}`);
    expect(listed).to.have.members(served);
  });
});

import { instanceArn } from '../../../domain/arns.ts';
import type { TaggedResource } from '../../../services/resource-tags.ts';
import { AwsException } from '../exceptions.ts';

/** ARNs of what is here. Source: Service Authorization Reference, "Resource types defined by AWS CodeDeploy". */
export interface Arns {
  instance(name: string): string;
  /**
   * What a tagged resource's ARN names. Region and account may be any: clients build ARNs of their own idea of both.
   * @throws AwsException `InvalidArnException`, `ArnNotSupportedException`
   */
  parseResource(arn: string): TaggedResource;
}

export function createArns(names: { region: string; accountId: string }): Arns {
  return {
    instance: (name) => instanceArn(names, name),
    parseResource(arn) {
      const match = /^arn:[a-z-]+:codedeploy:[a-z0-9-]*:\d*:([a-z]+):(.+)$/.exec(arn);
      if (match === null)
        throw new AwsException('InvalidArnException', `${arn.slice(0, 256)} is no ARN of CodeDeploy's`);
      const [, kind, name = ''] = match;
      if (kind === 'application') return { kind, application: name };
      const [application = '', group, ...more] = name.split('/');
      if (kind === 'deploymentgroup' && group !== undefined && more.length === 0)
        return { kind: 'deployment-group', application, group };
      throw new AwsException('ArnNotSupportedException', 'only applications and deployment groups have tags');
    },
  };
}

const INSTANCE_ARN = /^arn:[a-z-]+:(?:codedeploy|ec2):[a-z0-9-]*:\d*:instance[:/]/;

/** A host's name from an instance's ARN, or from the name itself: clients give back either. */
export function instanceNameOf(idOrArn: string): string {
  return idOrArn.replace(INSTANCE_ARN, '');
}

export function isInstanceArn(text: string): boolean {
  return INSTANCE_ARN.test(text);
}

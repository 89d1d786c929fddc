import { describeExceptions } from '../support/aws-exceptions/describe-exceptions.ts';

describeExceptions('deployments');

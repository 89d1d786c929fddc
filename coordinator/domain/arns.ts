/** The ARN under which AWS's tools know a host. */
export function instanceArn(names: { region: string; accountId: string }, hostName: string): string {
  return `arn:aws:codedeploy:${names.region}:${names.accountId}:instance:${hostName}`;
}

/**
 * What CodeDeploy's API keeps of a deployment group and gives back: as it was given, checked against CodeDeploy's model by the
 * layer that writes it. The engine looks at none of it: what it acts on is in the group's settings.
 */
export type AwsGroupSettings = Readonly<Record<string, unknown>>;

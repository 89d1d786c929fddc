import { APPSPEC_NAMES } from '../bundle/entry.ts';

/**
 * The AppSpec among the bundle's relative paths: the wanted one, then appspec.yml, then appspec.yaml.
 * Source: the CodeDeploy agent's Install command, which alone looks for all of them; here every reader does.
 */
export function findAppSpec(names: readonly string[], wanted: string): string | null {
  return [wanted, ...APPSPEC_NAMES].find((candidate) => names.includes(candidate)) ?? null;
}

import { refusedAs } from '../exceptions.ts';

/** Items of a page: CodeDeploy's requests do not say how many they want. */
export const PAGE_ITEMS = 100;

/** What a service's list throws for a cursor that is none of its own, by CodeDeploy's name. */
export function paged<Page>(list: () => Promise<Page>): Promise<Page> {
  return refusedAs('InvalidNextTokenException', list);
}

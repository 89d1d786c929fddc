import type { Deployment } from '../../shared/model/deployment.ts';
import type { DroverClient } from '../../shared/sdk/drover-client.ts';
import type { Cli } from './cli.ts';
import { CommandFailure, usageError } from './exit-codes.ts';

/** `web/prod` in its parts. */
export function parseGroup(text: string): { application: string; group: string } {
  const [application, group, ...rest] = text.split('/');
  if (!application || !group || rest.length > 0)
    throw usageError(
      `${JSON.stringify(text)} is not <app>/<group>`,
      'Write it like web/prod. See what there is: drover groups ls',
    );
  return { application, group };
}

/** What names a deployment, cut down to an id or the beginning of one: `d-8K`, `8k`, or an address that holds one. */
export function idInReference(text: string): string {
  const inUrl = /\/deployments\/([^/?#]+)/.exec(text)?.[1];
  const id = (inUrl ?? text).toUpperCase();
  return id.startsWith('D-') ? `d-${id.slice(2)}` : `d-${id}`;
}

/** Looks like a deployment rather than a group or an application. */
export function isDeploymentReference(text: string): boolean {
  return text === 'last' || text === '-' || /^d-/i.test(text) || /\/deployments\//.test(text);
}

const FULL_ID = /^d-[A-Z0-9]{9}$/;

/** The deployment that is meant: an id, a unique beginning, an address, `last`, or `-` for one on stdin. */
export async function findDeployment(cli: Cli, client: DroverClient, text: string): Promise<Deployment> {
  const given = text === '-' ? (await cli.world.stdin.readAll()).trim().split(/\s+/)[0] : text;
  if (given === undefined || given === '') throw usageError('no deployment id came on stdin');
  const id = given === 'last' ? await cli.lastDeployment() : idInReference(given);
  if (FULL_ID.test(id)) return client.getDeployment({ deployment: id });
  const { items } = await client.listDeployments({ idPrefix: id, limit: 6 });
  const [only, second] = items;
  if (only === undefined)
    throw new CommandFailure('not-found', `no deployment begins with ${id}`, {
      hint: 'See what there is: drover history',
    });
  if (second !== undefined)
    throw usageError(
      `${id} is the beginning of several deployments`,
      `There are: ${items.map((item) => `${item.id} (${item.application}/${item.deploymentGroup})`).join(', ')}`,
    );
  return only;
}

/** The deployment that rolls this one back, as it is now; null when there is none. */
export async function rollbackOf(client: DroverClient, deployment: Deployment): Promise<Deployment | null> {
  const id = deployment.rollbackInfo.rollbackDeploymentId;
  return id === null ? null : client.getDeployment({ deployment: id });
}

/** Text as it is, `@file` for a file's text, `-` for what stdin says. */
export async function textOrFile(cli: Cli, value: string): Promise<string> {
  if (value === '-') return (await cli.world.stdin.readAll()).trim();
  if (!value.startsWith('@')) return value;
  const text = await cli.world.files.readText(value.slice(1));
  if (text === undefined) throw usageError(`there is no file ${value.slice(1)}`);
  return text.trim();
}

import type { Clock } from '../../../shared/core/clock.ts';
import { isAppError } from '../../../shared/core/errors.ts';
import { PROGRAM_VERSION } from '../../../shared/protocol/versions.ts';
import type { DroverClient } from '../../../shared/sdk/drover-client.ts';
import { certificateEnd } from '../certificate-end.ts';
import type { Cli } from '../cli.ts';
import { defineCommand } from '../command.ts';
import { type ExitName, exitOfError } from '../exit-codes.ts';
import { padEnd } from '../render/text.ts';
import { duration } from '../render/units.ts';
import { areFarApart } from '../versions.ts';

interface Check {
  name: string;
  result: 'fine' | 'look' | 'wrong';
  text: string;
  remedy: string | null;
}

/** A difference between clocks that is worth a look, ms. */
const CLOCK_LIMIT_MS = 5_000;
const DAY_MS = 86_400_000;
/** A certificate that ends sooner should have been renewed by now; `drover-agent doctor` has the same. */
const RENEWAL_MS = 14 * DAY_MS;

export const doctorCommand = defineCommand({
  name: 'doctor',
  summary: 'Check address, TLS, clock, token, version, and whether the coordinator can write, with the remedy for each',
  examples: [['drover doctor', '']],
  exits: ['usage', 'not-found', 'not-permitted', 'unreachable'],
  seeAlso: ['whoami', 'context'],
  async run(cli) {
    const { checks, exit } = await examine(cli);
    const { style } = cli.output;
    const paint = { fine: style.good, look: style.warn, wrong: style.bad };
    cli.output.answer({
      json: () => ({ checks }),
      lines: () =>
        checks.flatMap((check) => [
          `${paint[check.result](padEnd(check.result, 6))} ${padEnd(check.name, 8)} ${check.text}`,
          ...(check.remedy === null ? [] : [`                ${check.remedy}`]),
        ]),
      ids: () => checks.filter((check) => check.result === 'wrong').map((check) => check.name),
    });
    return exit;
  },
});

async function examine(cli: Cli): Promise<{ checks: Check[]; exit: ExitName }> {
  const checks: Check[] = [];
  const add = (name: string, result: Check['result'], text: string, remedy: string | null = null) =>
    checks.push({ name, result, text, remedy });
  const chosen = await cli.chosen();
  const { url } = chosen;
  add('address', 'fine', `${url} (${chosen.name === null ? 'from the environment' : `context ${chosen.name}`})`);
  if (chosen.token === undefined) add('token', 'look', 'there is none', 'drover login, or set DROVER_TOKEN');
  const { clock } = cli.world;
  const sentAt = clock.now();
  try {
    const client = cli.clientOf(chosen);
    const who = await client.whoami();
    const tookMs = clock.now() - sentAt;
    checks.push(await judgeTls(url, clock));
    add('reach', 'fine', `one round trip takes ${duration(tookMs)}`);
    add('token', 'fine', `${who.name} (${who.role})`);
    const aheadMs = Math.round(sentAt + tookMs / 2 - who.now);
    const isFar = Math.abs(aheadMs) > CLOCK_LIMIT_MS;
    add(
      'clock',
      isFar ? 'look' : 'fine',
      `this machine is ${duration(Math.abs(aheadMs))} ${aheadMs < 0 ? 'behind' : 'ahead of'} the coordinator`,
      isFar ? "Set both clocks (chrony, systemd-timesyncd). Deadlines use the coordinator's alone." : null,
    );
    const isApart = areFarApart(PROGRAM_VERSION, who.coordinatorVersion);
    add(
      'version',
      isApart ? 'look' : 'fine',
      `drover ${PROGRAM_VERSION}, coordinator ${who.coordinatorVersion}, protocol ${who.protocol.major}.${who.protocol.minor}`,
      isApart ? 'Bring them within one minor version of each other.' : null,
    );
    const ready = await judgeReadiness(client);
    checks.push(ready);
    return { checks, exit: ready.result === 'wrong' ? 'unreachable' : 'done' };
  } catch (error) {
    if (!isAppError(error)) throw error;
    const isRefused = error.code === 'unauthorized' || error.code === 'forbidden';
    const name = isRefused ? 'token' : /certificate|TLS/.test(error.message) ? 'tls' : 'reach';
    if (isRefused) add('reach', 'fine', 'it answers');
    add(name, 'wrong', error.message, error.hint ?? (isRefused ? 'drover login, or set DROVER_TOKEN' : null));
    return { checks, exit: exitOfError(error) };
  }
}

/** Of a coordinator that has answered: it may be able to tell all, and to change nothing. */
async function judgeReadiness(client: DroverClient): Promise<Check> {
  const name = 'ready';
  try {
    await client.checkReadiness();
    return { name, result: 'fine', text: 'it can write', remedy: null };
  } catch (error) {
    if (isAppError(error, 'unavailable'))
      return {
        name,
        result: 'wrong',
        text: error.message,
        remedy:
          error.hint ??
          'It answers and changes nothing: see its log, and how much room the disk of its data directory has (docs/operations.md, "A disk is full").',
      };
    if (!isAppError(error)) throw error;
    return { name, result: 'look', text: error.message, remedy: 'Does a proxy in between keep /readyz to itself?' };
  }
}

/** Of a coordinator that has answered, so its certificate, if it has one, is trusted. */
async function judgeTls(url: string, clock: Clock): Promise<Check> {
  const tls = (result: Check['result'], text: string, remedy: string | null = null) => ({
    name: 'tls',
    result,
    text,
    remedy,
  });
  if (!url.startsWith('https:'))
    return isLocal(url)
      ? tls('fine', 'none, and the address is on this machine')
      : tls('look', 'none: tokens travel readable', 'Give the coordinator a certificate, and use https://.');
  const end = await certificateEnd(new URL(url), clock);
  if (end === null) return tls('fine', 'the certificate is good');
  const leftMs = end - clock.now();
  const text = `the certificate is good until ${new Date(end).toISOString().slice(0, 10)}, ${Math.floor(leftMs / DAY_MS)} days more`;
  return leftMs < RENEWAL_MS ? tls('look', text, 'Renew the certificate of the coordinator.') : tls('fine', text);
}

function isLocal(url: string): boolean {
  const { hostname } = new URL(url);
  return hostname === 'localhost' || hostname === '[::1]' || hostname.startsWith('127.');
}

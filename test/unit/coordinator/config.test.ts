import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { parse } from 'yaml';
import * as z from 'zod';
import {
  CONFIG_KEYS,
  type ConfigSources,
  coordinatorConfig,
  isLoopback,
  parseConfig,
  variableOfKey,
} from '../../../coordinator/config.ts';
import { isAppError } from '../../../shared/core/errors.ts';

const sources = (changes: Partial<ConfigSources> = {}): ConfigSources => ({
  file: null,
  environment: {},
  flags: {},
  ...changes,
});
const fromFile = (content: unknown) => sources({ file: { path: '/etc/drover/coordinator.yaml', content } });
const failure = (given: ConfigSources) => {
  try {
    parseConfig(given);
  } catch (error) {
    if (isAppError(error, 'invalid')) return error;
  }
  throw new Error('was not refused as invalid');
};

describe("the coordinator's configuration", () => {
  it('has a default for every key, on an address that only this machine can reach', () => {
    const config = parseConfig(sources());
    expect(config.listen).to.deep.equal({ host: '127.0.0.1', port: 7717 });
    expect(config.dataDirectory).to.equal('/var/lib/drover');
    expect(config.timings.silenceLimitMs).to.equal(15_000);
  });

  it('cannot be changed once it is read', () => {
    const config = parseConfig(sources());
    expect(Object.isFrozen(config)).to.equal(true);
    expect(Object.isFrozen(config.listen)).to.equal(true);
  });

  it('lets the environment win over the file, and flags over both', () => {
    const config = parseConfig({
      file: { path: 'f', content: { listen: { port: 1 }, logLevel: 'warn', limits: { watchers: 7 } } },
      environment: { DROVER_COORDINATOR_LISTEN_PORT: '2', DROVER_COORDINATOR_LIMITS_CONNECTIONS: '9', PATH: '/bin' },
      flags: { 'listen.port': 3, dataDirectory: undefined },
    });
    expect(config.listen.port).to.equal(3);
    expect(config.logLevel).to.equal('warn');
    expect(config.limits).to.include({ connections: 9, watchers: 7 });
  });

  it('reads lists and truth from the environment', () => {
    const config = parseConfig(
      sources({
        environment: {
          DROVER_COORDINATOR_TRUSTED_PROXIES: '10.0.0.0/8, 192.0.2.1',
          DROVER_COORDINATOR_INSECURE_PUBLIC_ADDRESS: 'true',
          DROVER_COORDINATOR_LISTEN_HOST: '0.0.0.0',
        },
      }),
    );
    expect(config.trustedProxies).to.deep.equal(['10.0.0.0/8', '192.0.2.1']);
    expect(config.insecurePublicAddress).to.equal(true);
  });

  it('reads a text from the environment as it stands, whatever it looks like', () => {
    const environment = {
      DROVER_COORDINATOR_RETENTION_SCHEDULE: '17 3 * * 1,4',
      DROVER_COORDINATOR_AWS_ACCOUNT_ID: '012345678901',
      DROVER_COORDINATOR_DATA_DIRECTORY: '/srv/drover,1',
      DROVER_COORDINATOR_S3_ACCESS_KEY_ID: '12345',
      DROVER_COORDINATOR_S3_SECRET_ACCESS_KEY_FILE: 'true',
      DROVER_COORDINATOR_S3_ENDPOINT: 'null',
      DROVER_COORDINATOR_WEBHOOKS_SIGNING_SECRET_FILE: '',
    };
    const config = parseConfig(sources({ environment }));
    expect(config.retention.schedule).to.equal('17 3 * * 1,4');
    expect(config.aws.accountId).to.equal('012345678901');
    expect(config.dataDirectory).to.equal('/srv/drover,1');
    expect(config.s3).to.include({ accessKeyId: '12345', secretAccessKeyFile: 'true', endpoint: null });
    expect(config.webhooks.signingSecretFile).to.equal(null);
  });

  it('names a misspelt key with its path and the ones that are accepted there', () => {
    const error = failure(fromFile({ timings: { heartbeatMs: 5 } }));
    expect(error.message).to.equal('/etc/drover/coordinator.yaml: timings.heartbeatMs is no setting');
    expect(error.hint).to.contain('heartbeatIntervalMs').and.to.contain('silenceLimitMs');
    expect(failure(fromFile({ lissten: {} })).hint).to.contain('Did you mean listen?');
  });

  it('names where a wrong value was set', () => {
    expect(failure(fromFile({ listen: { port: 70_000 } })).message).to.match(/coordinator\.yaml: listen\.port: /);
    expect(failure(sources({ environment: { DROVER_COORDINATOR_LISTEN_PORT: 'x' } })).message).to.match(
      /^DROVER_COORDINATOR_LISTEN_PORT: listen\.port: /,
    );
    expect(failure(sources({ flags: { 'listen.port': -1 } })).message).to.match(/^the command line: listen\.port: /);
    expect(failure(sources({ flags: { logLevel: 'loud' } })).message).to.contain('debug');
  });

  it('names the variable also of a wrong item in its list', () => {
    const environment = { DROVER_COORDINATOR_TRUSTED_PROXIES: '10.0.0.0/8,proxy.example' };
    expect(failure(sources({ environment })).message).to.match(
      /^DROVER_COORDINATOR_TRUSTED_PROXIES: trustedProxies\.1: .*address/,
    );
  });

  it('refuses a proxy that is neither an address nor a network', () => {
    for (const good of [
      '10.0.0.1',
      '10.0.0.0/8',
      '192.0.2.0/255.255.255.0',
      '::1',
      'fd00::/8',
      'loopback',
      'uniquelocal',
    ])
      expect(parseConfig(fromFile({ trustedProxies: [good] })).trustedProxies).to.deep.equal([good]);
    for (const bad of ['proxy.example', '10.0.0.0/33', '10.0.0', '10.0.0.0/', 'fd00::/129'])
      expect(failure(fromFile({ trustedProxies: [bad] })).message, bad).to.contain('trustedProxies.0');
  });

  it('names a variable that is no setting', () => {
    const error = failure(sources({ environment: { DROVER_COORDINATOR_LISTEN_PROT: '1' } }));
    expect(error.hint).to.equal('Did you mean DROVER_COORDINATOR_LISTEN_PORT?');
  });

  it('refuses a file that is no map', () => {
    expect(failure(fromFile(['listen'])).message).to.contain('must be a map');
  });

  it('refuses a public address without TLS, unless it is told to', () => {
    const host = '192.0.2.7';
    expect(failure(fromFile({ listen: { host } })).hint).to.contain('insecurePublicAddress');
    expect(parseConfig(fromFile({ listen: { host }, insecurePublicAddress: true })).listen.host).to.equal(host);
    const tls = { certFile: 'c', keyFile: 'k' };
    expect(parseConfig(fromFile({ listen: { host }, tls })).tls).to.deep.equal(tls);
  });

  it('knows which addresses only this machine can reach', () => {
    for (const host of ['127.0.0.1', '127.9.9.9', '::1', 'localhost']) expect(isLoopback(host), host).to.equal(true);
    for (const host of ['0.0.0.0', '::', '10.0.0.1', 'drover.example', '127.evil.example'])
      expect(isLoopback(host), host).to.equal(false);
  });

  it('refuses a schedule that is no cron expression, before anything is made', () => {
    for (const schedule of ['every full moon', '61 3 * * *', '', '17 3 * *'])
      expect(failure(fromFile({ retention: { schedule } })).message, schedule).to.match(
        /^\/etc\/drover\/coordinator\.yaml: retention\.schedule: no cron expression/,
      );
  });

  it('takes a variable without a value for an empty list', () => {
    const content = { trustedProxies: ['10.0.0.1'] };
    const environment = { DROVER_COORDINATOR_TRUSTED_PROXIES: '' };
    expect(parseConfig({ ...fromFile(content), environment }).trustedProxies).to.deep.equal([]);
  });

  it('names where a value was set that does not fit another one', () => {
    const environment = { DROVER_COORDINATOR_TIMINGS_HEARTBEAT_INTERVAL_MS: '10000' };
    expect(failure(sources({ environment })).message).to.match(
      /^DROVER_COORDINATOR_TIMINGS_HEARTBEAT_INTERVAL_MS: timings\.silenceLimitMs: 15000 must/,
    );
    expect(failure(sources({ flags: { 'listen.host': '0.0.0.0' } })).message).to.match(
      /^the command line: listen\.host: 0\.0\.0\.0 can/,
    );
    expect(failure(fromFile({ listen: { host: '0.0.0.0' } })).message).to.match(
      /^\/etc\/drover\/coordinator\.yaml: listen\.host: /,
    );
  });

  it('refuses a silence limit that one lost heartbeat would reach', () => {
    expect(failure(fromFile({ timings: { heartbeatIntervalMs: 10_000 } })).message).to.contain('silenceLimitMs');
  });

  it('is explained by the example: every key stands there, with its default', () => {
    const example: unknown = parse(readFileSync('examples/coordinator.yaml', 'utf8'));
    expect(parseConfig(fromFile(example))).to.deep.equal(parseConfig(sources()));
    const written = leavesOf(example);
    // Without TLS, a store and topics there is nothing to say about their parts; the comments beside them show them.
    const absent = ['tls', 's3', 'sns'];
    const expected = CONFIG_KEYS.filter((key) => !absent.some((part) => key.startsWith(`${part}.`)));
    expect(written).to.have.members([...expected, ...absent]);
  });

  it('is listed key by key in the documentation', () => {
    const page = readFileSync('docs/configuration.md', 'utf8');
    for (const key of CONFIG_KEYS) expect(page, key).to.contain(`\`${key}\``);
    for (const [key, range] of rangesOf(z.toJSONSchema(coordinatorConfig, { io: 'input', unrepresentable: 'any' })))
      expect(page, key).to.match(new RegExp(`^\\| \`${key}\` \\| [^|]+ \\| ${range} \\|`, 'm'));
    expect(variableOfKey('timings.reportCommitMs')).to.equal('DROVER_COORDINATOR_TIMINGS_REPORT_COMMIT_MS');
  });
});

interface NumberSchema {
  minimum?: number;
  maximum?: number;
  properties?: Record<string, NumberSchema>;
}

/** `1 to 36,500` for each key that is a number. */
function rangesOf(schema: object, prefix = ''): [string, string][] {
  const { minimum, maximum, properties = {} } = schema as NumberSchema;
  if (minimum !== undefined && maximum !== undefined)
    return [[prefix, `${minimum.toLocaleString('en-US')} to ${maximum.toLocaleString('en-US')}`]];
  return Object.entries(properties).flatMap(([key, inner]) =>
    rangesOf(inner, prefix === '' ? key : `${prefix}.${key}`),
  );
}

function leavesOf(value: unknown, prefix = ''): string[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [prefix];
  return Object.entries(value).flatMap(([key, inner]) => leavesOf(inner, prefix === '' ? key : `${prefix}.${key}`));
}

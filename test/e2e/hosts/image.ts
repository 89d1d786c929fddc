import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Kept between runs: it takes a minute or two to build, and is only read afterwards. */
export const WORK_DIRECTORY = process.env['DROVER_TEST_HOSTS_DIR'] ?? '/var/tmp/drover-test-hosts';
const SUITE = 'bookworm';
const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';
const BASE = 'systemd,systemd-sysv,dbus,iproute2,procps,ca-certificates,libstdc++6,curl';
/** What the bundles in examples/ need on a host. */
const APPLICATIONS = ['nginx-light', 'tomcat10', 'openjdk-17-jre-headless', 'curl', 'acl'];
/** Hosts have one console, which nobody looks at, and a network that is there before they are. */
const MASKED = [
  'console-getty.service',
  'getty.target',
  'systemd-udevd.service',
  'systemd-networkd.service',
  'apt-daily.timer',
  'apt-daily-upgrade.timer',
];
const RECIPE = JSON.stringify({ SUITE, BASE, APPLICATIONS, MASKED, version: 1 });

/** A Debian that boots: the directory that all hosts have under their own files. @throws with what a tool said */
export function buildImage(say: (text: string) => void): string {
  const digest = createHash('sha256').update(RECIPE).digest('hex').slice(0, 12);
  const image = join(WORK_DIRECTORY, `image-${digest}`);
  if (existsSync(image)) return image;
  mkdirSync(WORK_DIRECTORY, { recursive: true });
  removeUnfinished();
  const from = Date.now();
  const root = join(WORK_DIRECTORY, `unfinished-${process.pid}`);
  run('debootstrap', ['--variant=minbase', `--include=${BASE}`, `--keyring=${KEYRING}`, SUITE, root]);
  // No service starts while packages are configured, as in any chroot.
  writeFileSync(join(root, 'usr/sbin/policy-rc.d'), '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  inside(root, ['apt-get', 'update', '-qq']);
  inside(root, ['apt-get', 'install', '-y', '-qq', '--no-install-recommends', ...APPLICATIONS]);
  rmSync(join(root, 'usr/sbin/policy-rc.d'));
  inside(root, ['sh', '-c', 'rm -rf /var/cache/apt/archives/*.deb /var/lib/apt/lists/*']);
  // They are started by the deployments, not by the boot.
  inside(root, ['systemctl', 'disable', '--quiet', 'nginx.service', 'tomcat10.service']);
  inside(root, ['systemctl', 'mask', '--quiet', ...MASKED]);
  inside(root, ['systemctl', 'set-default', '--quiet', 'multi-user.target']);
  // Each host makes its own at its first boot.
  writeFileSync(join(root, 'etc/machine-id'), '');
  writeFileSync(join(root, 'etc/resolv.conf'), '');
  mkdirSync(join(root, 'var/log/journal'), { recursive: true });
  try {
    renameSync(root, image);
  } catch (error) {
    // Another run was faster, with the same result.
    if (!existsSync(image)) throw error;
    rmSync(root, { recursive: true });
  }
  say(`built the hosts' Debian in ${Math.round((Date.now() - from) / 1_000)} s (${image})`);
  return image;
}

/** What a run that was ended left of a Debian. */
function removeUnfinished(): void {
  for (const name of readdirSync(WORK_DIRECTORY)) {
    const pid = /^unfinished-(\d+)$/.exec(name)?.[1];
    if (pid !== undefined && !existsSync(`/proc/${pid}`))
      rmSync(join(WORK_DIRECTORY, name), { recursive: true, force: true });
  }
}

/** With this machine's network, and a /proc, which Java's packages want. */
function inside(root: string, command: readonly string[]): void {
  const options = ['-q', '--keep-unit', '--register=no', '--resolv-conf=replace-host', '--console=pipe'];
  run('systemd-nspawn', [...options, '--setenv=DEBIAN_FRONTEND=noninteractive', '-D', root, ...command]);
}

function run(command: string, args: readonly string[]): void {
  const result = spawnSync(command, args, {
    encoding: 'utf8',
    maxBuffer: 64 * 1_048_576,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  if (result.status === 0) return;
  const said = `${result.stdout}${result.stderr}`.split('\n').slice(-30).join('\n');
  throw new Error(
    `${command} ${args.join(' ')}: exit ${result.status ?? result.signal ?? result.error?.message}\n${said}`,
  );
}

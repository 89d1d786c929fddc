/**
 * The wire only grows. A coordinator serves agents one minor version older and newer than its own; another major version
 * is refused at hello. docs/protocol.md lists what each version added.
 */
export const PROTOCOL_VERSION: Readonly<ProtocolVersion> =
  typeof DROVER_BUILD_PROTOCOL === 'string' ? parseVersion(DROVER_BUILD_PROTOCOL) : { major: 1, minor: 1 };
export interface ProtocolVersion {
  major: number;
  minor: number;
}

export function speaksWith(own: ProtocolVersion, other: ProtocolVersion): boolean {
  return own.major === other.major && Math.abs(own.minor - other.minor) <= 1;
}

/** Set by `.ci/build.mjs --version` and `--protocol`: a build of another version from the same sources. */
declare const DROVER_BUILD_VERSION: string | undefined;
declare const DROVER_BUILD_PROTOCOL: string | undefined;

/** The version of this program, as `--version` prints it. */
export const PROGRAM_VERSION: string = typeof DROVER_BUILD_VERSION === 'string' ? DROVER_BUILD_VERSION : '0.1.0';

function parseVersion(text: string): ProtocolVersion {
  const [major = 0, minor = 0] = text.split('.').map(Number);
  return { major, minor };
}

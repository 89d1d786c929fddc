/** The largest bundle that anyone accepts, bytes; configurable downwards on either side. */
export const MAX_BUNDLE_BYTES = 16 * 1_024 ** 3;
export const MAX_UNPACKED_BYTES = 64 * 1_024 ** 3;
export const MAX_BUNDLE_ENTRIES = 1_000_000;
/** The largest AppSpec file, bytes. */
export const MAX_APPSPEC_BYTES = 1_024 * 1_024;

import { isUtf8 } from 'node:buffer';
import { type Entry, getFileNameLowLevel } from 'yauzl';

const SAYS_UTF8 = 0x800;
/** Who made the entry: Unix, macOS. Source: PKWARE's APPNOTE.TXT, 4.4.2 "version made by". */
const UNIX_SYSTEMS: ReadonlySet<number> = new Set([3, 19]);

/**
 * The name of an entry that was read with `decodeStrings: false`. Linux's zip writes names as bytes and says that they are
 * UTF-8 only in a UTF-8 locale; what is valid UTF-8 is taken for it, as unzip does. A backslash is a letter of a name that was made on
 * Unix (systemd escapes with it: `my\x2dapp.mount`), and otherwise a slash, as archives made on Windows have it.
 */
export function zipEntryName(entry: Entry): string {
  const flags = isUtf8(entry.fileNameRaw) ? entry.generalPurposeBitFlag | SAYS_UTF8 : entry.generalPurposeBitFlag;
  const keepsBackslashes = UNIX_SYSTEMS.has(entry.versionMadeBy >>> 8);
  return getFileNameLowLevel(flags, entry.fileNameRaw, entry.extraFields, keepsBackslashes);
}

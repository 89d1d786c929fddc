import { isUtf8 } from 'node:buffer';
import { type Entry, getFileNameLowLevel } from 'yauzl';

const SAYS_UTF8 = 0x800;

/**
 * The name of an entry that was read with `decodeStrings: false`. Linux's zip writes names as bytes and says that they are
 * UTF-8 only in a UTF-8 locale; what is valid UTF-8 is taken for it, as unzip does.
 */
export function zipEntryName(entry: Entry): string {
  const flags = isUtf8(entry.fileNameRaw) ? entry.generalPurposeBitFlag | SAYS_UTF8 : entry.generalPurposeBitFlag;
  return getFileNameLowLevel(flags, entry.fileNameRaw, entry.extraFields, false);
}

import { AppError } from '../../shared/core/errors.ts';
import type { AppendFile, Disk } from './disk.ts';

/**
 * For crash tests only: ends the process at a chosen write of the journal. `DROVER_FAILPOINT=journal:12:torn` means the 12th
 * append to a file named `journal`; the moments are `before` it, `torn` (half of it is written), `written` (all of it, not
 * synced) and `synced`.
 */
export interface Failpoint {
  fileName: string;
  append: number;
  moment: 'before' | 'torn' | 'written' | 'synced';
}

export function parseFailpoint(text: string): Failpoint {
  const match = /^([\w.-]+):(\d{1,9}):(before|torn|written|synced)$/.exec(text);
  if (match?.[1] === undefined)
    throw new AppError('invalid', `DROVER_FAILPOINT is ${JSON.stringify(text)}`, {
      hint: 'Write <file name>:<number of the append>:before|torn|written|synced.',
    });
  // The expression allows only these words.
  return { fileName: match[1], append: Number(match[2]), moment: match[3] as Failpoint['moment'] };
}

/** @param die ends the process and does not return */
export function withFailpoint(disk: Disk, failpoint: Failpoint, die: () => never): Disk {
  let appends = 0;
  const wrap = (file: AppendFile): AppendFile => {
    let isDue = false;
    return {
      get length() {
        return file.length;
      },
      async append(data) {
        isDue = ++appends === failpoint.append;
        if (isDue && failpoint.moment === 'before') die();
        if (isDue && failpoint.moment === 'torn') {
          const bytes = Buffer.from(data);
          await file.append(bytes.subarray(0, Math.ceil(bytes.length / 2)));
          die();
        }
        await file.append(data);
        if (isDue && failpoint.moment === 'written') die();
      },
      async sync() {
        await file.sync();
        if (isDue && failpoint.moment === 'synced') die();
      },
      truncate: (length) => file.truncate(length),
      close: () => file.close(),
    };
  };
  return {
    ...disk,
    async openAppend(path, mode) {
      const file = await disk.openAppend(path, mode);
      return path.endsWith(`/${failpoint.fileName}`) ? wrap(file) : file;
    },
  };
}

import { makeStyle } from '../../coordinator/cli/render/style.ts';

/** Without colours, in ASCII and UTC: what hand-written pictures in tests are compared with. */
export const plainStyle = makeStyle({ hasColour: false, isUnicode: false, utcOffset: () => 0 });

import { AppError } from '../shared/core/errors.ts';
import { lifecycleEventName } from '../shared/model/lifecycle-event.ts';

/** The order of `drover-agent local`. Source: codedeploy-local, which leaves out what a load balancer does. */
const LOCAL_EVENTS = [
  'BeforeBlockTraffic',
  'AfterBlockTraffic',
  'ApplicationStop',
  'DownloadBundle',
  'BeforeInstall',
  'Install',
  'AfterInstall',
  'ApplicationStart',
  'ValidateService',
  'BeforeAllowTraffic',
  'AfterAllowTraffic',
];
const BEFORE_DOWNLOAD = ['BeforeBlockTraffic', 'AfterBlockTraffic', 'ApplicationStop'];
const BEFORE_INSTALL = [...BEFORE_DOWNLOAD, 'DownloadBundle', 'BeforeInstall'];

/**
 * The events that `--events` asks for. DownloadBundle and Install are put first when they are missing, and change places when
 * they are in the wrong order. Source: codedeploy-local. @throws AppError `invalid`
 */
export function localEvents(given: string | null): string[] {
  if (given === null) return LOCAL_EVENTS;
  const names = given.split(',').map((name) => name.trim());
  for (const name of names)
    if (!lifecycleEventName.safeParse(name).success)
      throw new AppError('invalid', `--events: ${JSON.stringify(name)} is not the name of a lifecycle event`, {
        hint: 'Separate names with commas, for example --events ApplicationStop,ApplicationStart.',
      });
  if (new Set(names).size !== names.length) throw new AppError('invalid', '--events: an event is named twice');
  const missing = ['DownloadBundle', 'Install'].filter((name) => !names.includes(name));
  const events = [...missing, ...names];
  const [download, install] = [events.indexOf('DownloadBundle'), events.indexOf('Install')];
  if (download > install) [events[download], events[install]] = ['Install', 'DownloadBundle'];
  checkBefore(events, 'DownloadBundle', BEFORE_DOWNLOAD);
  checkBefore(events, 'Install', BEFORE_INSTALL);
  return events;
}

function checkBefore(events: readonly string[], event: string, allowed: readonly string[]): void {
  const wrong = events.slice(0, events.indexOf(event)).find((name) => !allowed.includes(name));
  if (wrong !== undefined)
    throw new AppError('invalid', `--events: ${wrong} cannot come before ${event}`, {
      hint: `Before ${event} may come: ${allowed.join(', ')}.`,
    });
}

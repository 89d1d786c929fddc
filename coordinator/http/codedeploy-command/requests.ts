import * as z from 'zod';
import type { Diagnostics } from '../../../shared/model/lifecycle-event.ts';
import { MAX_LOG_TAIL_BYTES } from '../../../shared/model/lifecycle-event.ts';

/**
 * What AWS's agent sends, one schema for each operation. Unknown members pass. Source: the agent's API model
 * (CodeDeployCommand, 2014-10-06). Payloads may be longer than the model's 8,192 characters: refusing an outcome for its
 * length would lose it.
 */
const hostIdentifier = z.string().min(1).max(2_048);
const hostCommandIdentifier = z.string().min(1).max(2_048);
const envelope = z.object({ Format: z.string().max(64).nullish(), Payload: z.string().nullish() }).nullish();

export const requests = {
  PollHostCommand: z.object({ HostIdentifier: hostIdentifier }),
  GetDeploymentSpecification: z.object({
    HostIdentifier: hostIdentifier,
    DeploymentExecutionId: z
      .string()
      .min(1)
      .max(129)
      .regex(/^[^/]+\/[^/]+\/[^/]+\/.+$/),
  }),
  PutHostCommandAcknowledgement: z.object({ HostCommandIdentifier: hostCommandIdentifier, Diagnostics: envelope }),
  PutHostCommandComplete: z.object({
    HostCommandIdentifier: hostCommandIdentifier,
    CommandStatus: z.enum(['Pending', 'InProgress', 'Succeeded', 'Failed']),
    Diagnostics: envelope,
  }),
  PostHostCommandUpdate: z.object({
    HostCommandIdentifier: hostCommandIdentifier,
    EstimatedCompletionTime: z.union([z.number(), z.string()]).nullish(),
    Diagnostics: envelope,
  }),
} as const;
export type Operation = keyof typeof requests;
type Envelope = z.infer<typeof envelope>;

const acknowledgement = z.object({ IsCommandNoop: z.boolean() });
/** Of scripts: code, script, message and the last of the output. The code is the text `Unknown` when the agent could not say more. */
const outcome = z.object({
  error_code: z.union([z.number(), z.string()]).nullish(),
  script_name: z.string().nullish(),
  message: z.string().nullish(),
  log: z.string().nullish(),
});

/** False, too, when nothing is said of it. */
export function isNoop(diagnostics: Envelope): boolean {
  return parsePayload(acknowledgement, diagnostics)?.IsCommandNoop ?? false;
}

const ERROR_CODES: Readonly<Record<number, Diagnostics['errorCode']>> = {
  0: 'Success',
  1: 'ScriptMissing',
  2: 'ScriptNotExecutable',
  3: 'ScriptTimedOut',
  4: 'ScriptFailed',
};
const MAX_MESSAGE = 4_096;
const MAX_SCRIPT_NAME = 1_024;

/** What the agent says of an outcome; what is no such text is taken as the message. */
export function toDiagnostics(diagnostics: Envelope): { diagnostics: Diagnostics; log: string } {
  const parsed = parsePayload(outcome, diagnostics);
  if (parsed === null) {
    const message = diagnostics?.Payload ?? 'The agent gave no reason.';
    return { diagnostics: { errorCode: 'UnknownError', message: message.slice(0, MAX_MESSAGE) }, log: '' };
  }
  const { error_code: code, script_name: scriptName, message, log } = parsed;
  return {
    diagnostics: {
      // Outputs left open (6) and an agent that was restarted (7) have no name of their own in CodeDeploy's API either.
      errorCode: (typeof code === 'number' ? ERROR_CODES[code] : undefined) ?? 'UnknownError',
      message: (message ?? '').slice(0, MAX_MESSAGE),
      ...(scriptName ? { scriptName: scriptName.slice(0, MAX_SCRIPT_NAME) } : {}),
      ...(log ? { logTail: tailOf(log) } : {}),
    },
    log: log ?? '',
  };
}

/** The end of a text, at most as many bytes of UTF-8 as diagnostics may have. */
function tailOf(text: string): string {
  const bytes = Buffer.from(text, 'utf8');
  if (bytes.length <= MAX_LOG_TAIL_BYTES) return text;
  let from = bytes.length - MAX_LOG_TAIL_BYTES;
  // Not in the middle of a character: those bytes begin with the bits 10.
  while (from < bytes.length && ((bytes[from] ?? 0) & 0xc0) === 0x80) from++;
  return bytes.subarray(from).toString('utf8');
}

function parsePayload<T>(schema: z.ZodType<T>, diagnostics: Envelope): T | null {
  try {
    const parsed = schema.safeParse(JSON.parse(diagnostics?.Payload ?? ''));
    return parsed.success ? parsed.data : null;
  } catch {
    // Not JSON: the caller says what that means.
    return null;
  }
}

/**
 * The shell program around every hook, leader of the hook's session. It
 * 0. reads from its input what it is to run ({@link wordsFor}), waits there for one more line, so that it can be there before it is
 *    wanted, and opens the output. When the input ends instead, the hook is not wanted or its agent is gone: it ends, and has touched
 *    nothing. Its command line says nothing of the hook: a script that looks for the process of the next one (`pgrep -f`) must not find this;
 * 1. claims the start, by creating a file that must not exist and that then holds its process id and start time: an agent that
 *    died in between finds the process by it, and an agent that claims first keeps a late process from starting at all;
 * 2. runs the hook, with the limit of open files that the agent was started with where that is known: Node raises its own as far as it
 *    may, and a program that uses select(), or closes all that could be open, is not made for that; a shell runs what has no shebang by itself (ENOEXEC), so such scripts work too;
 * 3. writes how it ended, even when a signal ended the hook. It handles TERM, INT and HUP itself (to the group), but with a handler, not by ignoring
 *    them: ignored signals would be ignored in the hook as well.
 *
 * Built-in commands only: each external one would cost a millisecond for every hook. The status is one small write and ends
 * with a newline, so that half of it is never taken for the whole. A shell cannot tell `exit 137` from a SIGKILL: both are
 * told as the signal. Names begin with `__drover` so that they hide no variable of the hook. Where it cannot do its part before the hook
 * begins it ends with {@link NOT_BEGUN}; `command` keeps a shell from ending by itself, with another code, when the output cannot be opened.
 */
export const HOOK_WRAPPER = `read -r __drover_stat </proc/$$/stat
__drover_ticks() { shift 19; __drover_stat=$1; }
__drover_ticks \${__drover_stat##*) }
read -r __drover_lines || exit 125
__drover_words=
while [ "$__drover_lines" -gt 0 ]; do
  IFS= read -r __drover_line || exit 125
  __drover_words="$__drover_words$__drover_line
"
  __drover_lines=$((__drover_lines - 1))
done
eval "set -- $__drover_words"
unset __drover_words __drover_line
read -r __drover_go || exit 125
__drover_claim=$1 __drover_status=$2 __drover_boot=$3 __drover_output=$4 __drover_files=$5
shift 5
trap : TERM INT HUP
command exec </dev/null >>"$__drover_output" 2>&1 || exit 125
set -C
printf '%s %s:%s\\n' "$$" "$__drover_boot" "$__drover_stat" 2>/dev/null >"$__drover_claim" || exit 125
set +C
[ -z "$__drover_files" ] || ulimit -Sn "$__drover_files" 2>/dev/null
"$@"
__drover_code=$?
__drover_signal=
if [ "$__drover_code" -gt 128 ]; then __drover_signal=$(kill -l "$__drover_code" 2>/dev/null); fi
if [ -n "$__drover_signal" ]; then
  printf '{"exitCode":null,"signal":"SIG%s"}\\n' "$__drover_signal" >"$__drover_status"
else
  printf '{"exitCode":%d,"signal":null}\\n' "$__drover_code" >"$__drover_status"
fi
exit "$__drover_code"
`;

/** The wrapper's own exit code when the hook has not begun; of a hook that ends with it, the status file tells. */
export const NOT_BEGUN = 125;

/** What the wrapper reads first: the number of lines, and its words in a shell's quotes, which may hold line breaks. */
export function wordsFor(words: readonly string[]): string {
  const quoted = words.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ');
  return `${quoted.split('\n').length}\n${quoted}\n`;
}

/** Where the claim of a start lies. */
export function claimPathOf(statusPath: string): string {
  return `${statusPath}.started`;
}

/** The claim of an agent, whichever it was: no process has this start, and none can get it. */
export const NEVER_STARTED = 'never\n';

/** `<process id> <boot id>:<clock ticks>`; null while it is not written to its end. */
export function parseClaim(text: string): { pid: number; startTime: string } | null {
  const match = /^(\d{1,10}) (\S{1,128}:\d{1,20})\n$/.exec(text);
  return match?.[1] === undefined || match[2] === undefined ? null : { pid: Number(match[1]), startTime: match[2] };
}

/** Field 22 (start time, clock ticks) and 3 (state) of /proc/PID/stat. The command name, field 2, may hold anything. */
export function parseProcessStat(text: string): { startTicks: string; state: string } | null {
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const [state, startTicks] = [fields[0], fields[19]];
  return state === undefined || startTicks === undefined ? null : { startTicks, state };
}

import { argument, defineCommand } from '../command.ts';
import { usageError } from '../exit-codes.ts';

const SHELLS = ['bash', 'zsh', 'fish'] as const;

/** Each script asks `drover __complete` with the words so far, the last of them unfinished: one candidate a line. */
const SCRIPTS: Readonly<Record<(typeof SHELLS)[number], string>> = {
  bash: `# drover completion for bash:  source <(drover completion bash)
_drover() {
  local IFS=$'\\n' line
  COMPREPLY=()
  while read -r line; do
    [ -n "$line" ] && COMPREPLY+=("\${line%%$'\\t'*}")
  done < <(drover __complete "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
  [ "\${#COMPREPLY[@]}" -eq 0 ] && compopt -o default 2>/dev/null
  return 0
}
complete -F _drover drover`,
  zsh: `#compdef drover
# drover completion for zsh:  drover completion zsh > ~/.zfunc/_drover (with ~/.zfunc in fpath)
_drover() {
  local -a lines described
  local line
  lines=("\${(@f)$(drover __complete "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  for line in $lines; do
    [[ -n "$line" ]] && described+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}")
  done
  if (( \${#described} )); then _describe drover described; else _files; fi
}
if [ "$funcstack[1]" = "_drover" ]; then _drover "$@"; else compdef _drover drover; fi`,
  fish: `# drover completion for fish:  drover completion fish > ~/.config/fish/completions/drover.fish
function __drover_complete
  set -l words (commandline -opc) (commandline -ct)
  drover __complete $words[2..-1] 2>/dev/null
end
complete -c drover -f -a '(__drover_complete)'
complete -c drover -n 'test -z "(__drover_complete)"' -F`,
};

export const completionCommand = defineCommand({
  name: 'completion',
  summary: 'A completion script for bash, zsh or fish, with live names',
  examples: [
    ['source <(drover completion bash)', 'in ~/.bashrc'],
    ['drover completion zsh > ~/.zfunc/_drover', 'once, with ~/.zfunc in fpath'],
    ['drover completion fish > ~/.config/fish/completions/drover.fish', 'once'],
  ],
  arguments: { shell: argument('<shell>', 'bash, zsh or fish', SHELLS) },
  exits: ['usage'],
  notes: [
    'Names of groups, hosts and deployments are asked of the coordinator; when it does not answer within 300 ms there are none.',
  ],
  async run(cli, args) {
    const shell = SHELLS.find((one) => one === args.shell);
    if (shell === undefined)
      throw usageError(`${args.shell} has no completion here`, `There are: ${SHELLS.join(', ')}.`);
    cli.output.data(SCRIPTS[shell]);
    return 'done';
  },
});

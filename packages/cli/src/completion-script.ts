/**
 * Completion scripts for shells, generated from the grammar of the command, so that they never fall behind it. Pure.
 */
import type { Command, Option } from "commander";

export const SHELLS = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof SHELLS)[number];

interface CompletedCommand {
  /** Words behind `walnut`: "inspect", "cursors ack". */
  readonly words: string;
  readonly description: string;
  readonly options: readonly Option[];
  readonly subcommands: readonly string[];
  /** Its words are files, not directories. */
  readonly takesFiles: boolean;
}

export function completionScript(shell: Shell, program: Command): string {
  const commands = commandsOf(program, []);
  switch (shell) {
    case "bash":
      return bashScript(commands);
    case "zsh":
      return zshScript(commands);
    case "fish":
      return fishScript(commands);
  }
}

function commandsOf(command: Command, words: readonly string[]): CompletedCommand[] {
  const own: CompletedCommand = {
    words: words.join(" "),
    description: command.description(),
    options: command.options.filter(({ hidden }) => !hidden),
    subcommands: command.commands.map((sub) => sub.name()),
    takesFiles: command.registeredArguments.some((argument) => argument.name() === "file"),
  };
  return [own, ...command.commands.flatMap((sub) => commandsOf(sub, [...words, sub.name()]))];
}

function flagsOf({ options }: CompletedCommand): string {
  const flags = options.flatMap(({ long, short }) => [long, short]);
  return [...flags.filter((flag) => flag !== undefined && flag !== null), "--help"].join(" ");
}

function bashScript(commands: readonly CompletedCommand[]): string {
  const cases = commands.map(
    (command) =>
      `    "${command.words}") words="${flagsOf(command)}"; subcommands="${command.subcommands.join(" ")}" ;;`,
  );
  const parents = commands.filter(({ subcommands }) => subcommands.length > 0);
  const choices = choiceCases(commands).map(
    ([flag, values]) => `    ${flag}) COMPREPLY=($(compgen -W "${values}" -- "$word")); return ;;`,
  );
  const files = fileFlags(commands).map(
    (flag) => `    ${flag}) COMPREPLY=($(compgen -f -- "$word")); return ;;`,
  );
  return `# walnut completion for bash. In ~/.bashrc: source <(walnut completion bash)
_walnut() {
  local word="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}"
  local command="" words="" subcommands="" index
  for ((index = 1; index < COMP_CWORD; index++)); do
    case "$command:\${COMP_WORDS[index]}" in
${parents.flatMap(({ words, subcommands }) => subcommands.map((sub) => `      "${words}:${sub}") command="${`${words} ${sub}`.trim()}" ;;`)).join("\n")}
    esac
  done
  case "$previous" in
${[...choices, ...files].join("\n")}
  esac
  case "$command" in
${cases.join("\n")}
  esac
  if [[ "$word" == -* ]]; then
    COMPREPLY=($(compgen -W "$words" -- "$word"))
  elif [[ -z "$command" ]]; then
    COMPREPLY=($(compgen -W "$subcommands" -- "$word"))
  elif [[ " ${fileCommands(commands).join(" ")} " == *" $command "* ]]; then
    COMPREPLY=($(compgen -f -- "$word"))
  else
    COMPREPLY=($(compgen -W "$subcommands" -- "$word") $(compgen -d -- "$word"))
  fi
}
complete -o filenames -F _walnut walnut
`;
}

function zshScript(commands: readonly CompletedCommand[]): string {
  const top = commands.filter(({ words }) => words !== "" && !words.includes(" "));
  const cases = top.map((command) => {
    const subs = commands.filter(({ words }) => words.startsWith(`${command.words} `));
    const options = [command, ...subs].flatMap((each) => each.options).map(zshOption);
    const names =
      command.subcommands.length === 0 ? "" : ` '1:command or directory:_walnut_${command.words}'`;
    return `    ${command.words}) _arguments ${[...new Set(options)].join(" ")}${names} ${command.takesFiles ? "'*:file:_files'" : "'*:directory:_files -/'"} ;;`;
  });
  const functions = top
    .filter(({ subcommands }) => subcommands.length > 0)
    .map(
      ({ words, subcommands }) =>
        `_walnut_${words}() { _alternative 'commands:command:(${subcommands.join(" ")})' 'directories:directory:_files -/' }`,
    );
  return `#compdef walnut
# walnut completion for zsh. In ~/.zshrc, after compinit: source <(walnut completion zsh)
${functions.join("\n")}
_walnut() {
  local -a commands
  commands=(
${top.map(({ words, description }) => `    '${words}:${quoted(description)}'`).join("\n")}
  )
  if (( CURRENT == 2 )); then
    _describe -t commands command commands
    return
  fi
  local command="$words[2]"
  shift words
  (( CURRENT-- ))
  case "$command" in
${cases.join("\n")}
  esac
}
compdef _walnut walnut
`;
}

function zshOption({ long, short, description, argChoices, flags }: Option): string {
  const name = long ?? short ?? "";
  const takesValue = /[<[]/.test(flags);
  const values = takesFile(flags) ? "_files" : argChoices && `(${argChoices.join(" ")})`;
  const value = takesValue ? `:value:${values ?? ""}` : "";
  return `'${name}[${quoted(description).replaceAll(/[[\]]/g, String.raw`\$&`)}]${value}'`;
}

function fishScript(commands: readonly CompletedCommand[]): string {
  const lines = [
    "# walnut completion for fish: walnut completion fish > ~/.config/fish/completions/walnut.fish",
    "complete -c walnut -f",
  ];
  for (const { words, description, options, takesFiles } of commands) {
    const [command = "", sub] = words.split(" ");
    if (words === "") continue;
    if (sub !== undefined) {
      lines.push(
        `complete -c walnut -n '__fish_seen_subcommand_from ${command}' -a ${sub} -d '${quoted(description)}'`,
      );
      continue;
    }
    lines.push(
      `complete -c walnut -n __fish_use_subcommand -a ${command} -d '${quoted(description)}'`,
      `complete -c walnut -n '__fish_seen_subcommand_from ${command}' ${takesFiles ? "-F" : "-a '(__fish_complete_directories)'"}`,
    );
    for (const option of options) {
      const long = option.long === undefined ? "" : ` -l ${option.long?.replace(/^--/, "")}`;
      const short = option.short === undefined ? "" : ` -s ${option.short?.replace(/^-/, "")}`;
      const files = takesFile(option.flags) ? " -F" : "";
      const value = /[<[]/.test(option.flags) ? ` -r${files}` : "";
      const choices = option.argChoices === undefined ? "" : ` -a '${option.argChoices.join(" ")}'`;
      lines.push(
        `complete -c walnut -n '__fish_seen_subcommand_from ${command}'${long}${short}${value}${choices} -d '${quoted(option.description)}'`,
      );
    }
  }
  return `${lines.join("\n")}\n`;
}

/** Flags with a fixed list of values. */
function choiceCases(
  commands: readonly CompletedCommand[],
): readonly (readonly [string, string])[] {
  const cases = new Map<string, string>();
  for (const { options } of commands) {
    for (const { long, argChoices } of options) {
      if (long !== undefined && long !== null && argChoices !== undefined) {
        // The same flag of several commands: the values of all.
        const known = cases.get(long)?.split(" ") ?? [];
        cases.set(long, [...new Set([...known, ...argChoices])].join(" "));
      }
    }
  }
  return [...cases];
}

/** Flags whose value is a file. */
function fileFlags(commands: readonly CompletedCommand[]): readonly string[] {
  const flags = commands.flatMap(({ options }) => options.filter((each) => takesFile(each.flags)));
  return [...new Set(flags.flatMap(({ long }) => long ?? []))];
}

function fileCommands(commands: readonly CompletedCommand[]): readonly string[] {
  return commands.filter((command) => command.takesFiles).map(({ words }) => words);
}

function takesFile(flags: string): boolean {
  return flags.includes("<file>");
}

/** Text that stands between single quotes in a script, where a colon would end it. */
function quoted(text: string): string {
  return text.replaceAll("'", "").replaceAll(":", ",").replaceAll("\n", " ");
}

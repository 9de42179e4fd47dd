"""Write docs/reference/commands.md from the commands themselves; `--check` fails when the page is not what they say."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from commonweal_api.generated import write_or_check
from commonweal_cli.main import commonweal

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "commands.md"
HEAD = """# Commands

Made by `docs/tools/commands.py` from the commands themselves; `commonweal COMMAND --help` says the same.

## Conventions

| | |
|---|---|
| one site | `SITE`, the first word: `commonweal site up onprem`, `commonweal local cut cloud`, `commonweal conform sign onprem` |
| something at a site | `--site SITE`, or for any other cluster `--kubeconfig FILE`: `commonweal score --site onprem`, `commonweal audit verify companies-registry --site onprem` |
| two sites | two words where they are alike (`commonweal conform onprem cloud`), `--from SITE --to SITE` where they are not (`commonweal move`; for any other cluster `--from-kubeconfig`, `--to-kubeconfig`) |
| results | on standard output; `--output json` makes them JSON (`--json` of earlier releases is still read) |
| progress, errors | on standard error; an error is one line: what, and what to do |

A site is one of this machine (`commonweal local status`), else one that has a stack file, `stacks/site/Pulumi.SITE.yaml`.

| exit code | |
|---|---|
| 0 | done; the answer is yes |
| 1 | not done, and the error says what to do; the answer is no |
| 2 | wrong usage; for `lint`, `score` and `conform`, where 1 is an answer: a site or a file could not be read |
| 130 | interrupted; repeating the command goes on |

Completion: `eval "$(commonweal completion bash)"` in `~/.bashrc`, the same with `zsh` in `~/.zshrc`; `commonweal completion fish > ~/.config/fish/completions/commonweal.fish`.
"""


def commands(command: click.Command, context: click.Context) -> Iterator[tuple[click.Command, click.Context]]:
    """Yield a command with its context, and after it, all that are under it."""
    yield command, context
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            if found is not None and not found.hidden:
                yield from commands(found, click.Context(found, context, name))


def options(command: click.Command, context: click.Context) -> list[tuple[str, str]]:
    """Return each option that is shown, with its help."""
    records = [option.get_help_record(context) for option in command.params if isinstance(option, click.Option)]
    return [record for record in records if record is not None]


def described(command: click.Command, context: click.Context) -> Iterator[str]:
    """Yield the lines of one command."""
    yield f"\n## {context.command_path}\n" if context.parent and not context.parent.parent else f"\n### {context.command_path}\n"
    if not isinstance(command, click.Group):
        yield f"```console\n{context.command_path} {' '.join(command.collect_usage_pieces(context))}\n```\n"
    yield "\n\n".join(re.sub(r"\s+", " ", part) for part in (command.help or "").split("\n\n"))
    found = options(command, context)
    if found:
        yield "\n| option | |\n|---|---|"
        yield from (f"| `{_cell(name)}` | {_cell(text).replace('<', '&lt;')} |" for name, text in found)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def page() -> str:
    """Return the whole page."""
    every = list(commands(commonweal, click.Context(commonweal, info_name="commonweal")))[1:]
    return HEAD + "\n".join(line for command, context in every for line in described(command, context)) + "\n"


def main(arguments: list[str]) -> int:
    """Write it, or with --check say whether it is as it would be written."""
    return write_or_check({PAGE: page()}, arguments, "python docs/tools/commands.py")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

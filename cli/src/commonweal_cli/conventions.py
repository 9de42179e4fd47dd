"""What all commands have in common: how they are found, how they end, and how they print a result.

A command is imported when it is called and not before: `commonweal --help` shows all of them and imports none.
"""

from __future__ import annotations

import functools
import importlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

from commonweal_cli.exceptions import UnansweredError
from commonweal_local.exceptions import LocalError

# How a command ends. UNANSWERED is for the commands that answer a question (lint, score, conform): there, 1 is the answer "no".
DONE, FAILED, USAGE, UNANSWERED, INTERRUPTED = 0, 1, 2, 2, 130
JSON = "json"

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(frozen=True)
class Lazy:
    """A command that is imported when it is called: `module:name`, what it is for, and the extra of pyproject.toml that it needs."""

    where: str
    text: str
    extra: str | None = None

    def load(self, name: str) -> click.Command:
        """Return the command. Raises LocalError when a package is absent that its extra brings; any other absent module is a fault of ours."""
        module, _, attribute = self.where.partition(":")
        try:
            found: click.Command = getattr(importlib.import_module(module), attribute)
        except ModuleNotFoundError as error:
            if self.extra is None or (error.name or "").startswith("commonweal"):
                raise
            raise LocalError(
                f"`commonweal {name}` needs the Python package {error.name}, which a plain install does not bring",
                f"`pip install 'commonweal[{self.extra}]'`; in a checkout, `make venv`.",
            ) from error
        return found


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called. `default` is the command that is meant when none is named."""

    def __init__(self, *args: Any, lazy: Mapping[str, Lazy] | None = None, default: str | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.lazy, self.default = dict(lazy or {}), default

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands, in the order of the alphabet."""
        return sorted({*super().list_commands(ctx), *self.lazy})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command of that name, imported if need be."""
        return self.lazy[cmd_name].load(cmd_name) if cmd_name in self.lazy else super().get_command(ctx, cmd_name)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take words that name no command for those of the default one."""
        names = {*self.list_commands(ctx), *ctx.help_option_names}
        return super().parse_args(ctx, [self.default, *args] if self.default and args[:1] not in [[name] for name in names] else args)

    def texts(self, ctx: click.Context) -> Iterator[tuple[str, str]]:
        """Yield each command with what it is for, importing none."""
        for name in self.list_commands(ctx):
            own = self.commands.get(name)
            yield name, own.get_short_help_str(120) if own else self.lazy[name].text

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands."""
        with formatter.section("Commands"):
            formatter.write_dl(list(self.texts(ctx)))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return the commands, and this group's own options, that begin so."""
        found = [CompletionItem(name, help=text) for name, text in self.texts(ctx) if name.startswith(incomplete)]
        return [*found, *click.Command.shell_complete(self, ctx, incomplete)]


def output_option(command: Command) -> Command:
    """Give a command `--output text|json`; its function is called with `output`. `--json` of earlier releases says the same."""
    known = click.option(
        "--json", is_flag=True, hidden=True, expose_value=False, is_eager=True, callback=_old_spelling, help="as --output json"
    )
    output = click.option(
        "--output",
        type=click.Choice(["text", JSON]),
        default="text",
        callback=_output,
        help="for a person, or for a program (default: text)",
    )
    return output(known(command))


def _old_spelling(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    ctx.meta[f"{__name__}.json"] = value


def _output(ctx: click.Context, _: click.Parameter, value: str) -> str:
    return JSON if ctx.meta.get(f"{__name__}.json") else value


def show(output: str, document: Any, lines: Callable[[], Iterator[str]]) -> None:
    """Print a result on standard output, as JSON or in words."""
    print(json.dumps(document, indent=1) if output == JSON else "\n".join(lines()))


@contextmanager
def told(*errors: type[Exception], remedy: str = "") -> Iterator[None]:
    """Turn errors of another package into what the command prints before it ends with FAILED."""
    try:
        yield
    except errors as error:
        raise LocalError(str(error), remedy) from error


def answering(*errors: type[Exception]) -> Callable[[Command], Command]:
    """For a command that answers a question: these errors mean that it could not be asked, and end the command with UNANSWERED."""
    caught: tuple[type[Exception], ...] = (LocalError, *errors)

    def wrapped(command: Command) -> Command:
        @functools.wraps(command)
        def run(*args: Any, **kwargs: Any) -> Any:
            try:
                return command(*args, **kwargs)
            except caught as error:
                raise UnansweredError(str(error)) from error

        return run  # type: ignore[return-value] # the same signature, by wraps

    return wrapped


def words(_ctx: click.Context, _parameter: click.Parameter, value: str | None) -> list[str]:
    """Read `A,B,...`."""
    return [word for word in (value or "").split(",") if word]

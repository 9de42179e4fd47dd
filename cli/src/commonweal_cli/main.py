"""The command `commonweal`."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Callable, Sequence

from commonweal_cli import machine
from commonweal_cli.arguments import command
from commonweal_cli.local import command as local
from commonweal_local import surroundings
from commonweal_local.exceptions import CommandFailedError, LocalError

INTERRUPTED = 130
# These parse their own arguments: the command, and the function that takes the words after it.
PASSED_ON = {
    "agreement": "commonweal_cli.agreements:main",
    "audit": "commonweal_cli.audit:main",
    "bundle": "commonweal_cli.bundle:main",
    "conform": "commonweal_cli.conform:main",
    "demo": "commonweal_cli.demo.command:main",
    "erasure": "commonweal_cli.site.decommission:erasure_main",
    "fleet": "commonweal_cli.fleet:main",
    "journey": "commonweal_cli.demo.command:main",
    "lint": "commonweal_cli.lockin:lint_main",
    "management": "commonweal_cli.management.command:main",
    "move": "commonweal_cli.move.command:main",
    "receipt": "commonweal_cli.audit:main",
    "score": "commonweal_cli.lockin:score_main",
    "site": "commonweal_cli.site.command:main",
}
# These share a function with another command, and tell by their own name what is wanted.
WITH_THEIR_NAME = ("audit", "journey", "receipt")
# What these need beyond a plain install has an extra's name in pyproject.toml.
EXTRAS = {"demo": "demo", "journey": "demo"}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code is 0 when it did what was asked. Expected failures are one line that says what to do next."""
    try:
        if argv is None:
            surroundings.set_right()
        words = list(sys.argv[1:] if argv is None else argv)
        if words and words[0] in PASSED_ON:
            return _passed_on(words)
        arguments = _parser().parse_args(words)
        run: Callable[[argparse.Namespace], int] = arguments.run
        return run(arguments)
    except (LocalError, CommandFailedError, TimeoutError) as error:
        print(f"commonweal: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("commonweal: interrupted; repeating the command goes on from here", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader (head, less) has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        explained = surroundings.explained(error)
        if explained is None:
            raise
        print(f"commonweal: {explained}", file=sys.stderr)
        return 1


def _passed_on(words: Sequence[str]) -> int:
    """Other parts' commands: imported only when called, so that this one starts fast and needs no more than it uses."""
    module, _, function = PASSED_ON[words[0]].partition(":")
    try:
        run: Callable[[Sequence[str]], int] = getattr(importlib.import_module(module), function)
    except ModuleNotFoundError as error:
        _explain_absence(words[0], error)
        raise
    return run(words if words[0] in WITH_THEIR_NAME else words[1:])


def _explain_absence(command: str, error: ModuleNotFoundError) -> None:
    """Raise LocalError when what is absent is a package that the command's extra brings; any other absent module is a fault of ours."""
    extra = EXTRAS.get(command)
    if extra and not (error.name or "").startswith("commonweal"):
        raise LocalError(
            f"`commonweal {command}` needs the Python package {error.name}, which a plain install does not bring",
            f"`pip install 'commonweal[{extra}]'`; in a checkout, `make venv`.",
        ) from error


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="commonweal", description="Commonweal on one machine: real clusters, images, the demonstration.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    local.add(commands)
    machine.add(commands)
    for name, text in (
        ("agreement", "sign and check what departments agree: commonweal agreement sign|verify|show NAME"),
        ("audit", "check who read what: commonweal audit verify DEPARTMENT; commonweal audit proof FILE --jwks FILE"),
        ("receipt", "check what a department acknowledged: commonweal receipt verify FILE --jwks FILE"),
        ("bundle", "everything that a machine without a network needs: commonweal bundle make|verify|open FILE"),
        (
            "conform",
            "compare two sites: commonweal conform SITE SITE; commonweal conform sign SITE; commonweal conform verify FILE --key FILE",
        ),
        ("fleet", "a change for many sites, in rings: commonweal fleet rings|roll|status|rollback"),
        ("demo", "bring everything up, with data"),
        ("move", "move a department with all its data: commonweal move DEPARTMENT --from SITE --to SITE"),
        ("erasure", "check a certificate of erasure: commonweal erasure verify FILE --key FILE"),
        ("journey", "walk through the example again, on the sites that are up"),
        ("lint", "what in manifests binds a department to one provider: commonweal lint FILE..."),
        ("management", "the cluster that makes sites' clusters: commonweal management up|down|status"),
        ("score", "how free a department is to leave: commonweal score [DEPARTMENT] --site SITE"),
        ("site", "pulumi for a site: commonweal site up|preview|destroy|env|decommission SITE"),
    ):
        command(commands, name, text, lambda _: 2)
    return parser


if __name__ == "__main__":
    sys.exit(main())

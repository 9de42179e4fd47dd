"""The command `commonweal`."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click
from click.shell_completion import shell_complete

from commonweal_cli.completion import VARIABLE
from commonweal_cli.conventions import DONE, FAILED, INTERRUPTED, UNANSWERED, Lazy, LazyGroup
from commonweal_cli.exceptions import UnansweredError
from commonweal_local.exceptions import CommandFailedError, LocalError

COMMANDS = {
    "agreement": Lazy("commonweal_cli.agreements.command:agreement", "sign and check what departments agree"),
    "audit": Lazy("commonweal_cli.audit.command:audit", "check who read what"),
    "bundle": Lazy("commonweal_cli.bundle.command:bundle", "everything that a machine without a network needs, in one archive"),
    "completion": Lazy("commonweal_cli.completion:completion", "print the script that completes this command in a shell"),
    "conform": Lazy("commonweal_cli.conform:conform", "compare two sites, or what a site says of itself"),
    "demo": Lazy("commonweal_cli.demo.command:demo", "bring everything up, with data", "demo"),
    "department": Lazy("commonweal_cli.move.department:department", "end a department, or take its store into the platform's namespace"),
    "dev": Lazy("commonweal_cli.dev.command:dev", "a department's whole stack on this machine, from its manifests", "dev"),
    "doctor": Lazy("commonweal_cli.machine:doctor", "say what this machine lacks"),
    "erasure": Lazy("commonweal_cli.site.decommission.verify:erasure", "check a certificate of erasure"),
    "fleet": Lazy("commonweal_cli.fleet.command:fleet", "a change for many sites, in rings"),
    "images": Lazy("commonweal_cli.machine:images", "build the container images"),
    "journey": Lazy("commonweal_cli.demo.command:journey", "walk through the example again, on the sites that are up", "demo"),
    "lint": Lazy("commonweal_cli.lockin.command:lint_files", "say what in manifests binds a department to one provider"),
    "local": Lazy("commonweal_cli.local.command:local", "clusters on this machine"),
    "management": Lazy("commonweal_cli.management.command:management", "the cluster that makes the sites' clusters"),
    "move": Lazy("commonweal_cli.move.command:move", "move a department, with all its data, from one site to another"),
    "product": Lazy("commonweal_cli.product:product", "let a product lose the records that its source has lost"),
    "receipt": Lazy("commonweal_cli.audit.command:receipt", "check what a department acknowledged"),
    "score": Lazy("commonweal_cli.lockin.command:score_site", "how free a department is to leave"),
    "site": Lazy("commonweal_cli.site.command:site", "make a site with the platform on it, or take it down"),
    "source": Lazy("commonweal_cli.source.command:source", "read a source, and draft a product of it", "dev"),
    "tools": Lazy("commonweal_cli.machine:tools", "find the programs, building what is nowhere"),
}


@click.group(cls=LazyGroup, lazy=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
def commonweal() -> None:
    """One personalisation stack for every public body, on any cluster, with the person in control.

    Results go to standard output, progress and errors to standard error.
    Exit codes: 0 done; 1 not done, or the answer is no; 2 wrong usage, or (lint, score, conform) a question that could not be asked.
    """


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code is 0 when it did what was asked. Expected failures are one line that says what to do next."""
    try:
        return _run(argv)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (LocalError, CommandFailedError, TimeoutError) as error:
        return _failed(error, FAILED)
    except UnansweredError as error:
        return _failed(error, UNANSWERED)
    except KeyboardInterrupt:
        return _failed("interrupted; repeating the command goes on from here", INTERRUPTED)
    except BrokenPipeError:
        # The reader (head, less) has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except OSError as error:
        from commonweal_local import surroundings  # noqa: PLC0415

        explained = surroundings.explained(error)
        if explained is None:
            raise
        return _failed(explained, FAILED)


def _run(argv: Sequence[str] | None) -> int:
    """Run it without click's own frame, which ends the process, and takes a reader that has seen enough for a failure."""
    if argv is None:
        from commonweal_local import surroundings  # noqa: PLC0415 - knows sites: too much for the start of a command that another calls

        surroundings.set_right()
        if VARIABLE in os.environ:
            return shell_complete(commonweal, {}, "commonweal", VARIABLE, os.environ[VARIABLE])
    try:
        with commonweal.make_context("commonweal", list(sys.argv[1:] if argv is None else argv)) as context:
            status: int = commonweal.invoke(context)
            return status
    except click.exceptions.Exit as end:
        return end.exit_code


def _failed(what: object, status: int) -> int:
    print(f"commonweal: {what}", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())

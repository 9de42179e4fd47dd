"""Starting programs: their output as text, their failure as an exception that says what they said."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from commonweal_local.exceptions import CommandFailedError
from commonweal_local.machine import SYSTEM_PATH


def run(*argv: str | Path, stdin: str | None = None, check: bool = True) -> str:
    """Run a program to its end and return its standard output. Programs for administrators are found as well.

    A status other than 0 raises unless `check` is off; a program that is not there always does. It speaks English and UTF-8, whatever the person's
    language is: what it says is read here.
    """
    words = [str(word) for word in argv]
    environment = {**os.environ, "PATH": f"{os.environ.get('PATH', '')}:{SYSTEM_PATH}", "LC_ALL": "C.UTF-8"}
    try:
        done = subprocess.run(words, input=stdin, encoding="utf-8", errors="replace", capture_output=True, check=False, env=environment)
    except OSError as error:
        raise CommandFailedError(words, 127, str(error)) from error
    if check and done.returncode:
        raise CommandFailedError(words, done.returncode, done.stderr or done.stdout)
    return done.stdout


def succeeds(*argv: str | Path, stdin: str | None = None) -> bool:
    """Whether the program can be started and ends with 0."""
    try:
        run(*argv, stdin=stdin)
    except CommandFailedError:
        return False
    return True

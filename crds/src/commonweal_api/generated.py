"""Files that follow from the code and are committed: written again, or compared."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path


def write_or_check(made: Mapping[Path, str], arguments: Sequence[str], command: str) -> int:
    """Write each file that is not as it is made; with `--check` only name it and `command`, which writes it, and return 1."""
    stale = [file for file, text in made.items() if not file.is_file() or file.read_text(encoding="utf-8") != text]
    if "--check" in arguments:
        for file in stale:
            sys.stderr.write(f"{file} is out of date. Run `{command}` and commit what it writes.\n")
        return 1 if stale else 0
    for file in stale:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(made[file], encoding="utf-8")
    return 0

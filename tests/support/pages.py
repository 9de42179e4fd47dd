"""Pages of the documentation whose commands are run, and what they say that the commands print."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

BLOCK = re.compile(r"^```sh\n(.*?)^```\n+(?:^```output\n(.*?)^```)?", re.MULTILINE | re.DOTALL)
MARK = "#### block"


class Block(NamedTuple):
    """Commands, and the lines that the page shows under them."""

    commands: str
    shown: list[str]


class Said(NamedTuple):
    """What a shell that ran a page's blocks said: its status, all of it, and for each block the lines that it did not say."""

    status: int
    text: str
    missing: Mapping[str, list[str]]


def blocks(page: str) -> list[Block]:
    """Return a page's blocks of commands. AssertionError where one is not found as the page has it."""
    found = [Block(commands, shown.splitlines()) for commands, shown in BLOCK.findall(page)]
    assert len(found) == page.count("```sh\n")
    assert sum(bool(block.shown) for block in found) == page.count("```output\n")
    return found


def run(page: list[Block], folder: Path, env: Mapping[str, str], output: Path, seconds: int) -> Said:
    """Run the blocks in order and in one shell, which ends at the first command that fails or after so many seconds."""
    script = "set -eu\n" + "".join(f"echo '{MARK} {number}'\n{block.commands}" for number, block in enumerate(page))
    with output.open("w") as file:
        command = ["timeout", str(seconds), "bash", "-c", script]
        done = subprocess.run(command, cwd=folder, env=dict(env), stdout=file, stderr=file, check=False)
    text = output.read_text()
    said = dict(part.split("\n", 1) for part in text.split(f"{MARK} ")[1:])
    missing = {b.commands: [line for line in b.shown if line not in said.get(str(n), "")] for n, b in enumerate(page)}
    return Said(done.returncode, text, {commands: lines for commands, lines in missing.items() if lines})

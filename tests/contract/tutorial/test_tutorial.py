"""Every block of commands in the tutorial is run, in order and in one shell, and says what the page says that it says."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from contract.tutorial.site import Library

PAGE = Path(__file__).parents[3] / "docs" / "tutorial" / "your-own-data.md"
BLOCK = re.compile(r"^```sh\n(.*?)^```\n+(?:^```output\n(.*?)^```)?", re.MULTILINE | re.DOTALL)
MARK = "#### block"
SECONDS = 100  # by itself it takes 25


def blocks() -> list[tuple[str, list[str]]]:
    """Return each block of commands with the lines that the page shows under it."""
    return [(commands, shown.splitlines()) for commands, shown in BLOCK.findall(PAGE.read_text())]


def test_every_block_of_the_page_is_found() -> None:
    assert len(blocks()) == PAGE.read_text().count("```sh\n") > 8
    assert sum(bool(shown) for _, shown in blocks()) == PAGE.read_text().count("```output\n")


@pytest.mark.usefixtures("plane")
def test_the_tutorial_does_what_it_says(library: Library, reader: dict[str, str], tmp_path: Path) -> None:
    script = "set -eu\n" + "".join(f"echo '{MARK} {number}'\n{commands}" for number, (commands, _) in enumerate(blocks()))
    file = tmp_path / "said"
    with file.open("w") as output:
        done = subprocess.run(
            ["timeout", str(SECONDS), "bash", "-c", script], cwd=reader["PWD"], env=reader, stdout=output, stderr=output, check=False
        )
    text = file.read_text()
    said = dict(part.split("\n", 1) for part in text.split(f"{MARK} ")[1:])
    assert library.faults == [], text
    assert done.returncode == 0, f"{text}\n{library.exchange.reported()}"
    for number, (commands, shown) in enumerate(blocks()):
        missing = [line for line in shown if line not in said[str(number)]]
        assert missing == [], f"{commands}\nsaid\n{said[str(number)]}"

"""Every block of commands in the tutorial is run, in order and in one shell, and says what the page says that it says."""

from __future__ import annotations

from pathlib import Path

import pytest

from contract.tutorial.site import Library
from support import pages
from support.control_plane import REPOSITORY

PAGE = REPOSITORY / "docs" / "tutorial" / "your-own-data.md"
SECONDS = 100  # by itself it takes 25


@pytest.mark.usefixtures("plane")
def test_the_tutorial_does_what_it_says(library: Library, reader: dict[str, str], tmp_path: Path) -> None:
    said = pages.run(pages.blocks(PAGE.read_text()), Path(reader["PWD"]), reader, tmp_path / "said", SECONDS)
    assert library.faults == [], said.text
    assert said.status == 0, f"{said.text}\n{library.exchange.reported()}"
    assert said.missing == {}, said.text

"""The page for a first look is run on a stack, as somebody would who has never seen one."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from support import pages
from support.control_plane import REPOSITORY
from support.dev import free_ports, inhabitants, place

PAGE = REPOSITORY / "docs" / "tutorial" / "first-look.md"
SECONDS = 300  # by itself it takes 15


def test_the_page_does_what_it_says(tmp_path: Path) -> None:
    folder = place("reader")
    folder.mkdir()
    (folder / ".venv").symlink_to(Path(sys.prefix))
    page = PAGE.read_text().replace("commonweal dev members >", f"commonweal dev members --port {free_ports()} >")
    said = pages.run(pages.blocks(page), folder, os.environ, tmp_path / "said", SECONDS)
    assert said.status == 0, said.text
    assert said.missing == {}, said.text
    assert inhabitants(folder) == []

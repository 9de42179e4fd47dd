"""Each decision says whether it is in force and when it was made, and the table of decisions says the same."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from support.scripts import script

DOCS = Path(__file__).parents[3] / "docs"


def tool() -> ModuleType:
    return script(DOCS / "tools" / "decisions.py")


def test_the_table_is_what_the_decisions_say() -> None:
    text = (DOCS / "adr" / "README.md").read_text()
    assert tool().index(text) == text, "run `python docs/tools/decisions.py`"
    assert text.count("\n| [0") == len(list((DOCS / "adr").glob("[0-9]*.md")))


@pytest.mark.parametrize(
    "begins", ["# 0001: A title\n\n**Situation.** None.\n", "# 0002: A title\n\n**Status.** In force. Decided 2026-11-28.\n"]
)
def test_a_page_that_does_not_say_its_status_or_has_another_number_is_named(begins: str, tmp_path: Path) -> None:
    page = tmp_path / "0001-title.md"
    page.write_text(begins)
    with pytest.raises(ValueError, match=r"0001-title.md: begin with «# 0001: Title»"):
        tool().row(page)

"""Each decision says whether it is in force and when it was made, and the table of decisions says the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ADR = Path(__file__).parents[3] / "docs" / "adr"
PAGES = sorted(ADR.glob("[0-9]*.md"))
STATUS = re.compile(r"\*\*Status\.\*\* (In force|Superseded|Proposed)(.*)\. Decided (\d{4}-\d{2}-\d{2})\.")
ROW = re.compile(r"\| \[(\d{4})\]\(([^)]+)\) \| (.+?) \| (.+) \| (\d{4}-\d{2}-\d{2}) \|")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_decision_begins_with_its_status_and_day(page: Path) -> None:
    head, empty, status, *_ = page.read_text().splitlines()
    assert re.fullmatch(rf"# {page.stem[:4]}: .+[^.]", head)
    assert (empty, bool(STATUS.fullmatch(status))) == ("", True), f"{page.name}: write «**Status.** In force. Decided 2026-12-31.»"


def test_the_table_lists_every_decision_as_its_page_says() -> None:
    wanted = []
    for page in PAGES:
        head, _, status, *_ = page.read_text().splitlines()
        found = STATUS.fullmatch(status)
        assert found is not None
        wanted.append((page.stem[:4], page.name, head.partition(": ")[2], found[1].lower() + found[2], found[3]))
    assert ROW.findall((ADR / "README.md").read_text()) == wanted

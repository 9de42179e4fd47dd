"""Figures reach the documents only from result files."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from support.scripts import script

BENCH = Path(__file__).parents[3] / "bench"


def figures() -> ModuleType:
    return script(BENCH / "figures.py")


def measured() -> dict[str, Any]:
    return {file.stem: json.loads(file.read_text()) for file in (BENCH / "results").glob("*.json")}


RESULT = {
    "date": "2026-11-22 05:00", "command": "make bench-data", "machine": "two cores",
    "figures": [
        {"figure": "read", "value": 0.912, "unit": "", "target": ">= 0.85", "met": True, "rival": "bare read"},
        {"figure": "wait", "value": 12.0, "unit": "ms", "target": "<= 10", "met": False, "rival": None},
    ],
}  # fmt: skip


def test_a_missed_target_stays_in_the_table_as_missed() -> None:
    text = figures().section(RESULT)
    assert "| read (against bare read) | 0.912 | >= 0.85 | met |" in text
    assert "| wait | 12 ms | <= 10 | **missed** |" in text


def test_the_page_has_each_bench_with_its_pictures() -> None:
    page = figures().page({"fleet": RESULT})
    assert "\n## fleet\n" in page
    assert "](../pictures/fleet-growth.svg)" in page


def test_writing_the_headlines_twice_changes_nothing() -> None:
    module, results = figures(), measured()
    once = module.headlines(f"a\n{module.START}\nold\n{module.END}\nb\n", results)
    assert module.headlines(once, results) == once
    assert once.startswith("a\n")
    assert once.endswith("\nb\n")
    assert "old" not in once
    assert "**missed**" in once, "a README that shows only what went well is no measure"


def test_a_headline_that_nothing_measures_is_named() -> None:
    module = figures()
    with pytest.raises(KeyError, match="465 Clusters"):
        module.headlines(module.START + module.END, measured() | {"fleet": RESULT})


def test_every_picture_that_is_shown_is_there() -> None:
    shown = [file for name, files in figures().PICTURES.items() if name in measured() for file in files]
    assert [file for file in shown if not (BENCH.parent / "docs" / "pictures" / file).exists()] == []

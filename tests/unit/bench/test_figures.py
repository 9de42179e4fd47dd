"""Figures reach the README only from result files."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

BENCH = Path(__file__).parents[3] / "bench"


def figures() -> ModuleType:
    spec = importlib.util.spec_from_file_location("figures", BENCH / "figures.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


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


def test_rendering_twice_changes_nothing() -> None:
    module = figures()
    once = module.rendered(f"a\n{module.START}\nold\n{module.END}\nb\n", {"fleet": RESULT})
    assert module.rendered(once, {"fleet": RESULT}) == once
    assert once.startswith("a\n")
    assert once.endswith("\nb\n")
    assert "old" not in once
    assert "](docs/pictures/fleet-growth.svg)" in once


def test_every_picture_that_is_shown_is_there() -> None:
    results = {file.stem for file in (BENCH / "results").glob("*.json")}
    shown = [file for name, files in figures().PICTURES.items() if name in results for file in files]
    assert [file for file in shown if not (BENCH.parent / "docs" / "pictures" / file).exists()] == []

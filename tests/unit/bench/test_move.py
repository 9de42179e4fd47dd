"""What the move's bench reports, and how it is drawn."""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

BENCH = Path(__file__).parents[3] / "bench"
NUMBERS = {"storeBytes": 132_000_000, "rows": 101_520, "bytesFirst": 7_700_000, "bytesLast": 5_000_000}
REPORT = {
    "readOnlySeconds": 27.768,
    "timeToRecoverSeconds": 27.957,
    "totalSeconds": 90.0,
    "moments": {"frozen": 40.0, "opened": 70.0},
    "steps": [{"name": "copy", "at": 10.0, "seconds": 30.0, "ok": True}, {"name": "compare", "at": 40.0, "seconds": 30.0, "ok": True}],
    "numbers": {**NUMBERS, "rowsDifferent": 0, "usesLost": 0, "changedManifestLines": 0},
}


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(BENCH))
    for name in ("move", "pictures"):
        sys.modules.pop(name, None)
    import move

    return move


def test_a_move_is_told_with_what_must_be_zero(bench: Any) -> None:
    found = {figure.figure: figure for figure in bench.figures(REPORT)}
    assert found["uses refused meanwhile (read-only)"].value == 27.8
    assert found["sent while uses were refused"].value == 5.0
    assert {figure.met for figure in found.values() if figure.target} == {True}
    lost = {**REPORT, "numbers": {**NUMBERS, "rowsDifferent": 0, "usesLost": 2, "changedManifestLines": 0}}
    assert [figure.figure for figure in bench.figures(lost) if figure.met is False] == ["uses lost"]


def test_the_picture_has_a_bar_for_each_step_and_another_colour_while_uses_were_refused(bench: Any) -> None:
    import pictures

    result = {"series": REPORT, "command": bench.COMMAND, "date": "2026-11-22 09:00", "machine": "two cores"}
    drawing = ET.fromstring(pictures.drawn({"move": result})["move.svg"])
    bars = [bar.attrib for bar in drawing.iter() if bar.tag.endswith("rect") and bar.get("height") == "16"]
    assert [(bar["x"], bar["width"]) for bar in bars] == [("346.0", "138.0"), ("484.0", "138.0")]
    assert [bar["fill"] for bar in bars] == [pictures.BARS["deferred"], pictures.BARS["naive"]]
    assert "compare: 30.0 s" in list(drawing.itertext())

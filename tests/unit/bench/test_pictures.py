"""Pictures come from result files alone, and say what they hold."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

BENCH = Path(__file__).parents[3] / "bench"
POINT = {"people": 1000, "agreements": 50, "door_point": 0.2, "bare_point": 0.1, "door_page": 1.5, "bare_page": 1.0}
RESULT = {
    "date": "2026-11-22 09:00", "command": "python bench/data.py", "machine": "two cores", "figures": [],
    "series": {
        "shares": {"point, 8 connections": {"bare": 1.0, "durable": 0.61, "naive": 0.25}},
        "people": [POINT, {**POINT, "people": 1_000_000, "door_page": 1.9}],
        "agreements": [{**POINT, "agreements": 1}, {**POINT, "agreements": 200}],
    },
}  # fmt: skip


@pytest.fixture
def pictures(monkeypatch: pytest.MonkeyPatch) -> object:
    """The module, which lies beside the benches and not in a package."""
    monkeypatch.syspath_prepend(str(BENCH))
    sys.modules.pop("pictures", None)
    import pictures as module

    return module


def test_a_picture_is_well_formed_and_says_what_was_measured(pictures: object) -> None:
    drawn = pictures.drawn({"data": RESULT})  # type: ignore[attr-defined]
    assert set(drawn) == {"data-growth.svg", "data-rates.svg"}
    for svg in drawn.values():
        said = " ".join(ET.fromstring(svg).itertext())
        assert "python bench/data.py, 2026-11-22 09:00, two cores" in said
    assert "0.61" in drawn["data-rates.svg"]
    assert "1,000,000" in drawn["data-growth.svg"]


def test_the_portal_s_curves_say_whose_they_are(pictures: object) -> None:
    slow = pictures.portal_picture.spread([float(n) for n in range(1, 1001)])  # type: ignore[attr-defined]
    assert (slow[0], slow[49], slow[98]) == (11.0, 501.0, 991.0)
    result = {**RESULT, "series": {"times": {"your bodies": slow}, "denials": {"through the portal": slow, "through the bare API": slow}}}
    svg = pictures.drawn({"portal": result})["portal.svg"]  # type: ignore[attr-defined]
    said = " ".join(ET.fromstring(svg).itertext())
    assert all(name in said for name in ("your bodies", "through the portal", "through the bare API"))
    assert svg.count("<polyline") == 3


def test_a_slower_read_stands_higher(pictures: object) -> None:
    panel = pictures.Panel(0, 0, 100, 100)  # type: ignore[attr-defined]
    quick, slow = (panel.place(10, y, [10, 100], 2.0)[1] for y in (0.5, 1.5))
    assert slow < quick
    assert [panel.place(x, 0, [10, 1000], 2.0)[0] for x in (10, 100, 1000)] == [0, 50, 100]


@pytest.mark.parametrize(("most", "top"), [(0.9, 1.0), (1.02, 1.5), (3.9, 4.0), (8.1, 10.0), (120, 150)])
def test_an_axis_ends_at_a_round_number_above_everything(pictures: object, most: float, top: float) -> None:
    assert pictures.nice(most) == pytest.approx(top)  # type: ignore[attr-defined]


def test_results_without_readings_draw_nothing(pictures: object) -> None:
    assert pictures.drawn({"data": {k: v for k, v in RESULT.items() if k != "series"}, "demo": {}}) == {}  # type: ignore[attr-defined]


def test_the_committed_pictures_are_true_of_the_committed_results(pictures: object) -> None:
    results = {file.stem: json.loads(file.read_text()) for file in (BENCH / "results").glob("*.json")}
    for name, svg in pictures.drawn(results).items():  # type: ignore[attr-defined]
        assert (BENCH.parent / "docs" / "pictures" / name).read_text() == svg


FLEET = {
    "date": "2026-11-22 13:00", "command": "python bench/fleet.py", "machine": "two cores", "figures": [],
    "series": {
        "fleet": [
            {"sites": 10, "up_seconds": 20.0, "second_seconds": 6.0, "memory_mib": 900, "writes": 260},
            {"sites": 465, "up_seconds": 300.0, "second_seconds": 30.0, "memory_mib": 2400, "writes": 12_000},
        ],
        "site": {"cluster Available": 8.0, "definitions": 2.0},
    },
}  # fmt: skip


def test_the_picture_of_a_fleet_shows_each_size_and_each_part(pictures: object) -> None:
    svg = pictures.drawn({"fleet": FLEET})["fleet-growth.svg"]  # type: ignore[attr-defined]
    drawing = ET.fromstring(svg)
    said = list(drawing.itertext())
    assert said.count("465") == 4, "once under each of the four plots"
    assert "cluster Available: 8 s" in said
    bars = [float(found.get("width", "0")) for found in drawing.iter() if found.tag.endswith("rect") and found.get("height") == "18"]
    assert bars == pytest.approx([560.0, 140.0]), "parts are drawn in proportion"

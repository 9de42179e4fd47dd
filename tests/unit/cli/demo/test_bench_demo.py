"""The demonstration's bench: what it reports, and when it calls a target missed."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from commonweal_cli.site.operations import Outcome
from support.scripts import script

BENCH = Path(__file__).parents[4] / "bench"
RECORD = {"stages": {"start to the first consented read": 70.04}, "seconds": 120.0, "memory_mib": {"onprem": 1900, "cloud": 1880}}
AGAIN = {"onprem": Outcome({"same": 44}, (), 5.0), "cloud": Outcome({"same": 44}, (), 5.2)}


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCH))
    return script(BENCH / "demo.py")


def test_targets_are_met_or_missed(bench: ModuleType) -> None:
    met = {figure.figure: figure.met for figure in bench.figures(RECORD, AGAIN) if figure.target}
    assert met == {"from nothing running to the first consented read": True, "changes made by the second `pulumi up`": True}
    late = RECORD | {"stages": {"start to the first consented read": 90.1}}
    drifted = AGAIN | {"cloud": Outcome({"same": 43, "update": 1}, (), 5.2)}
    assert [figure.met for figure in bench.figures(late, drifted) if figure.target] == [False, False]


def test_every_site_has_its_memory_and_its_second_up(bench: ModuleType) -> None:
    figures = {figure.figure: (figure.value, figure.unit) for figure in bench.figures(RECORD, AGAIN)}
    assert figures["memory of site onprem, three departments"] == (1900, "MiB")
    assert figures["a second `pulumi up` of site cloud"] == (5.2, "s")

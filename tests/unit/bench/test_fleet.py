"""What the fleet's bench reports, from readings."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

BENCH = Path(__file__).parents[3] / "bench"


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(BENCH))
    sys.modules.pop("fleet", None)
    import fleet

    return fleet


def size(bench: Any, **given: Any) -> Any:
    few = {"preview_seconds": 4.0, "up_seconds": 20.0, "second_seconds": 6.0, "second_changes": 0, "memory_mib": 900, "pulumi_mib": 300}
    return bench.Size(**{"sites": 10, "cpu_seconds": 30.0, "writes": 260, "conflicts": 5, **few, **given})


def test_the_largest_fleet_is_what_is_promised_and_growth_is_told_against_the_smallest(bench: Any) -> None:
    sizes = [size(bench), size(bench, sites=100, up_seconds=120.0, cpu_seconds=360.0, writes=2700)]
    found = {figure.figure: figure for figure in bench.figures(sizes, {1: 3.0}, {"cold": 12.0})}
    assert (found["100 Clusters Available from one `pulumi up`"].value, found["100 Clusters Available from one `pulumi up`"].met) == (
        2.0,
        True,
    )
    assert found["processor time for each Cluster, 100 against 10"].value == 1.2
    assert found["writes that the management API server took, for each of 100 Clusters"].value == 27
    assert found["preview of 1 new site"].value == 3.0
    assert found["cold"].unit == "s"


def test_one_change_in_any_second_run_misses_the_target(bench: Any) -> None:
    sizes = [replace(size(bench), second_changes=1), size(bench, sites=100)]
    found = {figure.figure: figure for figure in bench.figures(sizes, {}, {})}
    assert found["changes made by the second `pulumi up`"].met is False


def test_the_parts_of_a_run_end_with_their_last_line_and_make_up_the_whole(bench: Any) -> None:
    import fleet_site

    heard = [
        (3.0, "created pulumi:providers:kubernetes x-management"),
        (9.0, "created Cluster.cluster.x-k8s.io/commonweal-fleet/x"),
        (9.5, "created pulumi:providers:kubernetes x"),
        (11.0, "created CustomResourceDefinition.apiextensions.k8s.io/departments"),
        (12.5, "created CustomResourceDefinition.apiextensions.k8s.io/dataproducts"),
        (18.0, "created Deployment.apps/commonweal-system/operator"),
    ]
    found = fleet_site.shares(heard, 20.0)
    assert found == {
        "engine, plug-ins and program": 3.0,
        "cluster Available": 6.0,
        "definitions": 3.5,
        "the rest of the platform layer": 7.5,
    }

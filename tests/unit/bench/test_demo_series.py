"""The demonstration's picture: whose processor time it was, when pods came up, and what is drawn of it."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any
from xml.etree import ElementTree as ET

import pytest

BENCH = Path(__file__).parents[3] / "bench"
MODULES = ("processor", "demo_series", "demo_picture", "pictures")


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, ModuleType]]:
    """The modules, which lie beside the benches and not in a package."""
    monkeypatch.syspath_prepend(str(BENCH))
    for name in MODULES:
        sys.modules.pop(name, None)
    yield {name: importlib.import_module(name) for name in MODULES}
    for name in MODULES:
        sys.modules.pop(name, None)


def test_a_process_is_charged_what_it_used_between_two_looks(bench: dict[str, ModuleType]) -> None:
    one = bench["processor"].Process
    before = {7: one(1, 100, "etcd", 50, 0)}
    after = {7: one(1, 100, "etcd", 62, 0), 8: one(1, 200, "kubelet", 5, 0)}
    assert bench["processor"].spent(before, after) == {"etcd": 12, "kubelet": 5}


def test_what_a_child_used_after_it_was_last_seen_comes_with_its_end(bench: dict[str, ModuleType]) -> None:
    """Its parent's account grows by all that it used; what it was seen to use has been counted."""
    one = bench["processor"].Process
    before = {7: one(1, 100, "shim", 50, 10), 9: one(7, 150, "runc", 4, 0)}
    after = {7: one(1, 100, "shim", 51, 19)}
    assert bench["processor"].spent(before, after) == {"shim": 1, "runc": 5}


def test_those_who_end_together_with_their_parents_are_counted_once(bench: dict[str, ModuleType]) -> None:
    """The shell learns of the whole family at once; what each was seen to use has been counted."""
    one = bench["processor"].Process
    before = {5: one(1, 90, "bash", 0, 0), 7: one(5, 100, "flock", 1, 0), 9: one(7, 150, "pytest", 400, 20)}
    after = {5: one(1, 90, "bash", 0, 425)}
    assert bench["processor"].spent(before, after) == {"bash": 0, "flock": 4}


def test_programs_too_short_to_be_seen_are_put_down_to_who_started_them(bench: dict[str, ModuleType]) -> None:
    one = bench["processor"].Process
    used = bench["processor"].spent({7: one(1, 100, "demo", 50, 0)}, {7: one(1, 100, "demo", 50, 30)})
    assert used["short programs of demo"] == 30


def test_a_number_that_is_used_again_is_another_process(bench: dict[str, ModuleType]) -> None:
    one = bench["processor"].Process
    used = bench["processor"].spent({7: one(1, 100, "old", 900, 0)}, {7: one(1, 300, "new", 2, 0)})
    assert (used["old"], used["new"]) == (0, 2)


@pytest.mark.parametrize(
    ("argv", "name", "group"),
    [
        (["python3", "-m", "commonweal_runtime.keeper"], "commonweal_runtime.keeper", "our services in pods"),
        (["/cache/bin/kube-apiserver", "--x"], "kube-apiserver", "API servers and etcd"),
        (["/venv/bin/python", "/venv/bin/commonweal", "demo"], "bin/commonweal", "the demonstration and kubectl"),
        (["/usr/bin/containerd-shim-runc-v2", "-id"], "containerd-shim-runc-v2", "kubelet, containers, add-ons"),
        (["postgres: checkpointer "], "postgres", "our services in pods"),
        (["/cache/pulumi/pulumi", "up"], "pulumi", "Pulumi and helm"),
        (["/sbin/init"], "init", "everything else"),
    ],
)
def test_a_process_has_a_name_and_a_group(bench: dict[str, ModuleType], argv: list[str], name: str, group: str) -> None:
    assert bench["processor"].name_of(argv, "comm") == name
    assert bench["processor"].group_of(name) == group


def test_looking_at_this_machine_finds_this_process(bench: dict[str, ModuleType]) -> None:
    import os

    assert bench["processor"].look({})[os.getpid()].parent == os.getppid()


def test_time_is_put_down_to_its_second_and_summed_by_group(bench: dict[str, ModuleType]) -> None:
    sampler, ticks = bench["processor"].Sampler(), bench["processor"].TICKS
    sampler.take({"etcd": ticks}, 0.2)
    sampler.take({"etcd": ticks, "kubelet": ticks // 2}, 1.9)
    assert bench["processor"].by_group(sampler.bins, 1) == {"API servers and etcd": [1.0, 1.0], "kubelet, containers, add-ons": [0.0, 0.5]}
    assert bench["processor"].by_group(sampler.bins, 2)["API servers and etcd"] == [1.0]


def pod(name: str, **times: str) -> dict[str, Any]:
    conditions = [{"type": kind, "status": "True", "lastTransitionTime": f"2026-11-28T15:00:{at}Z"} for kind, at in times.items()]
    return {"metadata": {"namespace": "dept-a", "name": name}, "status": {"conditions": conditions}}


def test_a_pod_is_drawn_from_its_place_on_the_node_until_it_is_ready(bench: dict[str, ModuleType]) -> None:
    since = 1795878000.0  # 2026-11-28 15:00:00 UTC
    items = [
        pod("data-api-7c9fd5c6b-x2x4q", PodScheduled="04", Ready="07"),
        pod("store-0", PodScheduled="05"),
        pod("store-1", PodScheduled="05", Ready="10"),
    ]
    found = bench["demo_series"].started(items, since)
    assert found == [{"name": "dept-a/data-api", "at": 4.0, "seconds": 3.0}, {"name": "dept-a/store-1", "at": 5.0, "seconds": 5.0}]
    assert bench["demo_series"].ended(found) == 4.0


SERIES = {
    "firstRead": 80.0,
    "stages": [{"name": "pulumi up", "at": 20.0, "seconds": 30.0}, {"name": "tools", "at": 0.5, "seconds": 1.0}],
    "sites": [{"name": "site onprem: API server", "at": 22.0, "seconds": 4.0}],
    "pods": [{"name": "dept-a/store", "at": 60.0, "seconds": 3.0}],
    "processor": {"width": 1, "cores": 2, "groups": {"API servers and etcd": [0.5] * 80, "Pulumi and helm": [1.0] * 80}},
    "programs": {"etcd": 3.0},
}
RESULT = {"date": "2026-11-28 15:00", "command": "python bench/demo.py", "machine": "two cores", "figures": [], "series": SERIES}


def test_the_picture_shows_stages_site_pods_and_processor(bench: dict[str, ModuleType]) -> None:
    svg = bench["pictures"].drawn({"demo": RESULT})["demo.svg"]
    drawing = ET.fromstring(svg)
    said = list(drawing.itertext())
    assert [line for line in said if line.endswith(" s") and ": " in line][:4] == [
        "tools: 1.0 s",
        "pulumi up: 30.0 s",
        "site onprem: API server: 4.0 s",
        "dept-a/store: 3.0 s",
    ]
    assert "first consented read, 80 s" in said
    assert "Pulumi and helm: 80 s of a core" in said
    assert len([found for found in drawing.iter() if found.tag.endswith("polygon")]) == 2


def test_a_longer_stage_is_wider(bench: dict[str, ModuleType]) -> None:
    drawing = ET.fromstring(bench["pictures"].drawn({"demo": RESULT})["demo.svg"])
    wide = [float(found.get("width", "0")) for found in drawing.iter() if found.tag.endswith("rect") and found.get("height") == "13"]
    assert wide[1] == pytest.approx(30 * wide[0], rel=0.01)


def test_what_goes_on_after_the_first_read_is_drawn_to_its_end(bench: dict[str, ModuleType]) -> None:
    journey = {"name": "journey", "at": 80.0, "seconds": 25.0}
    drawing = ET.fromstring(bench["pictures"].drawn({"demo": {**RESULT, "series": {**SERIES, "stages": [journey]}}})["demo.svg"])
    bars = [found for found in drawing.iter() if found.tag.endswith("rect") and found.get("height") == "13"]
    end = bench["demo_picture"].LEFT + bench["demo_picture"].WIDTH
    assert all(float(bar.get("x", "0")) + float(bar.get("width", "0")) <= end for bar in bars)
    assert "108 s" in list(drawing.itertext())

"""What cannot be is said on the object, with the field and the remedy; nothing is started, and nothing tried again and again."""

from __future__ import annotations

import pytest

from commonweal_local import sites
from commonweal_local.progress import Silent
from commonweal_local.sites import processes
from commonweal_local.sites.site import Mode
from support.kube_api import Refused
from support.local_provider import GROUP, LocalFleet, site


@pytest.mark.parametrize(
    ("name", "version", "reason", "words"),
    [
        ("name-with-dashes", "v1.36.3", "NameNotPossible", "metadata.name"),
        ("twelveletter", "v1.36.3", "NameNotPossible", "at most 11"),
        ("fleetshared", "v1.36.3", "NameNotPossible", "fleetshared"),
        ("capiodd", "v1.36.99", "VersionUnknown", "v1.36.3 and v1.37.2"),
    ],
)
def test_what_cannot_be_is_refused_with_the_remedy(fleet: LocalFleet, name: str, version: str, reason: str, words: str) -> None:
    fleet.declare(name, version)
    assert words in fleet.becomes("LocalCluster", name, "Ready", reason)
    fleet.becomes("LocalControlPlane", name, "Available", reason)
    before = fleet.versions(name)
    fleet.delete(name)
    assert len(before) == 3, "no Secret"


def test_a_site_made_by_hand_is_neither_taken_over_nor_ended(fleet: LocalFleet) -> None:
    (mine,) = sites.up(["capimine"], mode=Mode.CONTROL_PLANE, progress=Silent())
    first = processes.first_process(mine)
    fleet.declare("capimine")
    assert "commonweal local down capimine" in fleet.becomes("LocalCluster", "capimine", "Ready", "SiteTaken")
    fleet.delete("capimine")
    assert processes.first_process(site("capimine")) == first
    assert sites.down(["capimine"]) == []


def test_a_site_that_is_handed_over_is_taken_up_as_it_runs(fleet: LocalFleet) -> None:
    (mine,) = sites.up(["capihand"], mode=Mode.CONTROL_PLANE, progress=Silent())
    first = processes.first_process(mine)
    sites.hand_over("capihand", "commonweal-fleet/capihand")
    fleet.declare("capihand", nodes=3)
    fleet.available("capihand")
    assert processes.first_process(site("capihand")) == first
    fleet.delete("capihand")
    assert not mine.directory.exists()


def test_the_schema_refuses_another_mode_and_a_size_that_is_none(fleet: LocalFleet) -> None:
    def plane(**spec: object) -> dict[str, object]:
        meta = {"name": "capischema", "namespace": "commonweal-fleet"}
        return {"apiVersion": f"{GROUP}/v1alpha1", "kind": "LocalControlPlane", "metadata": meta, "spec": {"version": "v1.36.3", **spec}}

    fleet.apply(plane(mode="Shared"))
    for wrong, words in (
        ({"mode": "ControlPlane"}, "stays as it was made"),
        ({"mode": "Shared", "nodes": 0}, "greater than or equal to 1"),
    ):
        with pytest.raises(Refused, match=words):
            fleet.apply(plane(**wrong))
    with pytest.raises(Refused, match=r"spec\.version"):
        fleet.apply(plane(mode="Shared", version="1.36"))
    fleet.api().delete(plane())

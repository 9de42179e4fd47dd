"""Many Clusters that one API server stands in for."""

from __future__ import annotations

from pathlib import Path

from commonweal_local.sites import processes
from commonweal_local.sites.api import Api
from support.local_provider import NEW, OLD, LocalFleet, site

THREE = ("shared-a", "shared-b", "shared-c")


def test_one_api_server_serves_them_all_and_goes_with_the_last(fleet: LocalFleet, sites_home: Path) -> None:
    for name in THREE:
        fleet.declare(name, mode="Shared")
    fleet.available(*THREE)
    first = processes.first_process(site("fleetshared"))
    planes = [fleet.object("LocalControlPlane", name) or {} for name in THREE]
    assert {plane["status"]["mode"] for plane in planes} == {"Shared"}
    assert all("nodes" not in plane["status"] for plane in planes), "it does not claim nodes that are not its own"
    assert "not applied" in fleet.becomes("LocalControlPlane", THREE[0], "SizeApplied", "Shared")

    # Rebase to a class of another revision: nothing is rolled, and it says for whom it waits.
    fleet.declare(THREE[0], mode="Shared", revision="r2")
    fleet.becomes("Cluster", THREE[0], "TopologyReconciled", "ReconcileSucceeded")
    assert "settings of r1 until" in fleet.becomes("LocalControlPlane", THREE[0], "BlueprintApplied", "WaitsForTheOthers")

    # A version goes when all ask for it, and the status says what runs until then.
    for name in THREE[:2]:
        fleet.declare(name, NEW, mode="Shared", revision="r3")
    assert f"runs {OLD} until" in fleet.becomes("LocalControlPlane", THREE[1], "VersionAccepted", "WaitsForTheOthers")
    assert (fleet.object("LocalControlPlane", THREE[1]) or {})["status"]["version"] == OLD
    fleet.declare(THREE[2], NEW, mode="Shared", revision="r3")
    for name in THREE:
        fleet.runs(name, NEW)
        fleet.becomes_true("LocalControlPlane", name, "BlueprintApplied", "of r3")
    assert Api(site("fleetshared")).call("GET", "/version")["gitVersion"] == NEW

    fleet.delete(*THREE[:2])
    assert processes.first_process(site("fleetshared")) == first
    fleet.delete(THREE[2])
    assert not (sites_home / "sites" / "fleetshared").exists()

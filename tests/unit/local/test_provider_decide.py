"""What the local provider does next and says, from plain facts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from commonweal_local.provider.decide import Step, decide
from commonweal_local.provider.facts import Facts, Machine, Mode, Problem, Site
from commonweal_local.provider.kinds import FINALIZER, Kind, Seen
from commonweal_local.provider.refusals import of_machine, of_place, of_size, of_version
from commonweal_local.provider.report import infra_status, plane_status

OLD, NEW = "v1.36.3", "v1.37.2"
SITE = Site(
    name="north",
    cluster="commonweal-fleet/north",
    mode=Mode.CONTROL_PLANE,
    running=True,
    serving=True,
    ready=True,
    answers=True,
    version=OLD,
    nodes=2,
    size=2,
    kubernetes=OLD,
    revision=3,
    reached=3,
    step="",
    stage="",
    error="",
    change_error="",
    host="127.0.0.1",
    port=21043,
    pods="10.220.0.0/16",
    services="10.230.0.0/16",
    digest="abc",
    blueprint="r1",
)
MACHINE = Machine(root=True, free_gib=50, available_mib=8000, memory_mib=16000, free_places=3)


def seen(kind: Kind, **changes: Any) -> Seen:
    made = Seen(kind, "commonweal-fleet", "north", "uid", 1, "north", False, False, (FINALIZER,), "", {}, {})
    return replace(made, **changes)


def facts(**changes: Any) -> Facts:
    """A Cluster that is as asked; tests change one thing."""
    made = Facts(
        name="north",
        namespace="commonweal-fleet",
        cluster=seen(Kind.CLUSTER),
        infra=seen(Kind.INFRA, spec={"controlPlaneEndpoint": {"host": "127.0.0.1", "port": 21043}}),
        plane=plane(),
        secret=seen(Kind.SECRET, digest="abc"),
        site=SITE,
        mode=Mode.CONTROL_PLANE,
        wanted_version=OLD,
        wanted_blueprint="r1",
        known=(OLD, NEW),
    )
    return replace(made, **changes)


def plane(**spec: Any) -> Seen:
    return seen(Kind.PLANE, spec={"version": OLD, "blueprint": "r1", "nodes": 2, **spec}, status={"version": OLD})


def conditions(status: Any) -> dict[str, tuple[str, str]]:
    return {c["type"]: (c["status"], c["reason"]) for c in status["conditions"]}


def test_a_cluster_that_is_as_asked_needs_nothing() -> None:
    assert decide(facts()) is Step.NOTHING
    assert conditions(infra_status(facts())) == {"Ready": ("True", "Ready"), "Paused": ("False", "NotPaused")}
    assert conditions(plane_status(facts())) == {
        "Available": ("True", "Available"),
        "Furnished": ("True", "Furnished"),
        "RollingOut": ("False", "NotRollingOut"),
        "VersionAccepted": ("True", "VersionAccepted"),
        "BlueprintApplied": ("True", "BlueprintApplied"),
        "SizeApplied": ("True", "SizeApplied"),
        "Paused": ("False", "NotPaused"),
    }


@pytest.mark.parametrize(
    ("changes", "step"),
    [
        ({"infra": seen(Kind.INFRA, finalizers=())}, Step.HOLD),
        ({"plane": seen(Kind.PLANE, finalizers=(), spec={"version": OLD})}, Step.HOLD),
        ({"plane": None}, Step.NOTHING),
        ({"site": None, "machine": MACHINE}, Step.START),
        ({"site": replace(SITE, running=False), "machine": MACHINE}, Step.START),
        ({"site": replace(SITE, error="the node did not come"), "machine": MACHINE}, Step.START),
        ({"site": None, "machine": MACHINE, "wait": 3.0}, Step.NOTHING),
        ({"site": None, "machine": replace(MACHINE, free_places=0)}, Step.NOTHING),
        ({"site": None, "machine": MACHINE, "wanted_version": "v1.36.0"}, Step.NOTHING),
        ({"site": replace(SITE, running=False, kubernetes=NEW), "machine": MACHINE}, Step.NOTHING),
        ({"site": replace(SITE, ready=False)}, Step.NOTHING),
        ({"wanted_version": NEW, "plane": plane(version=NEW)}, Step.CHANGE),
        ({"wanted_blueprint": "r2", "plane": plane(blueprint="r2")}, Step.CHANGE),
        ({"wanted_blueprint": "r2", "plane": plane(blueprint="r2"), "site": replace(SITE, blueprint="")}, Step.CHANGE),
        ({"wanted_blueprint": "r2", "plane": plane(blueprint="r2"), "site": replace(SITE, blueprint="r2", revision=4)}, Step.NOTHING),
        ({"wanted_blueprint": "r2", "plane": plane(blueprint="r2"), "site": replace(SITE, takes_blueprint=False)}, Step.NOTHING),
        ({"wanted_blueprint": "r9", "plane": plane(blueprint="r9")}, Step.NOTHING),
        ({"site": None, "machine": MACHINE, "wanted_blueprint": "r9", "plane": plane(blueprint="r9")}, Step.NOTHING),
        ({"site": None, "machine": replace(MACHINE, obstacle="nginx (pid 7)")}, Step.NOTHING),
        ({"plane": plane(nodes=5)}, Step.CHANGE),
        ({"plane": plane(nodes=5), "wait": 3.0}, Step.NOTHING),
        ({"plane": plane(nodes=5), "site": replace(SITE, size=5, revision=4)}, Step.NOTHING),
        ({"site": replace(SITE, change_error="kubelet to be healthy", revision=4)}, Step.CHANGE),
        ({"site": replace(SITE, version=NEW)}, Step.NOTHING),
        ({"secret": None}, Step.SECRET),
        ({"secret": seen(Kind.SECRET, digest="of another certificate")}, Step.SECRET),
        ({"secret": None, "site": replace(SITE, ready=False, serving=False)}, Step.SECRET),
        ({"secret": None, "site": replace(SITE, ready=False, digest="")}, Step.NOTHING),
        ({"infra": seen(Kind.INFRA)}, Step.ENDPOINT),
        ({"infra": seen(Kind.INFRA), "site": replace(SITE, ready=False)}, Step.ENDPOINT),
        ({"infra": seen(Kind.INFRA), "site": replace(SITE, ready=False, serving=False)}, Step.NOTHING),
        ({"plane": plane(nodes=5), "site": replace(SITE, ready=False)}, Step.NOTHING),
        ({"introduced": False}, Step.INTRODUCE),
        ({"introduced": False, "site": replace(SITE, ready=False)}, Step.NOTHING),
        ({"plane": seen(Kind.PLANE, deleting=True)}, Step.END),
        ({"plane": seen(Kind.PLANE, deleting=True, finalizers=())}, Step.NOTHING),
        ({"infra": seen(Kind.INFRA, deleting=True)}, Step.NOTHING),
        ({"infra": seen(Kind.INFRA, deleting=True), "plane": None}, Step.RELEASE),
    ],
)
def test_the_next_step_follows_from_what_is(changes: dict[str, Any], step: Step) -> None:
    assert decide(facts(**changes)) is step


@pytest.mark.parametrize("who", ["cluster", "infra", "plane"])
def test_paused_nothing_happens_not_even_an_end_and_the_rest_is_said_as_before(who: str) -> None:
    leaving = facts(plane=seen(Kind.PLANE, deleting=True, spec={"version": OLD}), site=None)
    paused = replace(leaving, **{who: replace(getattr(leaving, who), paused=True)})
    assert decide(leaving) is Step.END
    assert decide(paused) is Step.NOTHING
    kept = {"type": "Ready", "status": "True", "reason": "Ready", "message": "", "observedGeneration": 1}
    said = infra_status(replace(paused, infra=seen(Kind.INFRA, paused=True, status={"conditions": [kept], "network": {}})))
    assert said
    assert kept in said["conditions"]
    assert conditions(said)["Paused"] == ("True", "Paused")


@pytest.mark.parametrize(
    ("changes", "reason", "words"),
    [
        ({"namespace": "default"}, "NamespaceNotServed", "metadata.namespace"),
        ({"name": "north-west"}, "NameNotPossible", "metadata.name"),
        ({"name": "fleetshared"}, "NameNotPossible", "Shared"),
        ({"site": replace(SITE, cluster="")}, "SiteTaken", "commonweal local down north"),
        ({"site": replace(SITE, mode=Mode.PODS)}, "ModeDiffers", "spec.mode"),
    ],
)
def test_a_place_that_cannot_be_names_the_field_and_the_remedy(changes: dict[str, Any], reason: str, words: str) -> None:
    asked = facts(**changes)
    problem = of_place(asked)
    assert problem
    assert problem.reason == reason
    assert words in problem.message
    assert decide(asked) is Step.NOTHING
    assert conditions(infra_status(asked))["Ready"] == ("False", reason)


def test_nothing_is_said_of_a_mode_before_the_control_plane_says_it() -> None:
    early = facts(plane=None, mode=Mode.PODS)
    assert infra_status(early) is None
    assert plane_status(early) is None
    assert decide(early) is Step.NOTHING


def test_a_name_with_dashes_is_fine_where_all_share_one_site() -> None:
    shared = facts(name="a-b", mode=Mode.SHARED, site=replace(SITE, name="fleetshared", cluster="commonweal-fleet/*"))
    assert of_place(shared) is None


@pytest.mark.parametrize(
    ("changes", "machine", "reason", "words"),
    [
        ({"mode": Mode.PODS}, {"root": False}, "RootMissing", "mode: ControlPlane"),
        ({}, {"free_gib": 1}, "DiskFull", "COMMONWEAL_HOME"),
        ({}, {"available_mib": 100}, "MemoryShort", "mode: Shared"),
        ({"site": None}, {"free_places": 0}, "TooManySites", "commonweal local down"),
        ({}, {"obstacle": "nginx (pid 7), which has port 21043"}, "AddressTaken", "nginx (pid 7), which has port 21043. End that"),
    ],
)
def test_a_machine_that_cannot_carry_it_says_what_to_do(changes: dict[str, Any], machine: dict[str, Any], reason: str, words: str) -> None:
    asked = facts(**({"site": replace(SITE, running=False)} | changes), machine=replace(MACHINE, **machine))
    problem = of_machine(asked)
    assert problem
    assert problem.reason == reason
    assert words in problem.message


def test_a_site_that_runs_goes_on_when_its_version_is_refused() -> None:
    for version, reason in (("v1.36.0", "VersionUnknown"), (OLD, "DowngradeRefused")):
        asked = facts(site=replace(SITE, version=NEW, kubernetes=NEW), plane=plane(version=version), wanted_version=version)
        said = plane_status(asked)
        assert said
        assert decide(asked) is Step.NOTHING
        assert conditions(said)["VersionAccepted"] == ("False", reason)
        assert conditions(said)["Available"] == ("True", "Available")
        assert said["version"] == NEW, "what runs, not what is asked for"


def test_a_shared_site_waits_until_all_ask_for_the_version() -> None:
    site = replace(SITE, name="fleetshared", cluster="commonweal-fleet/*")
    asked = facts(mode=Mode.SHARED, site=site, plane=plane(version=NEW), wanted_version=OLD, others=465)
    problem = of_version(asked)
    assert problem
    assert problem.reason == "WaitsForTheOthers"
    assert "465" in problem.message
    assert decide(asked) is Step.NOTHING
    assert decide(replace(asked, wanted_version=NEW)) is Step.CHANGE


@pytest.mark.parametrize(
    ("changes", "reason", "words"),
    [
        ({"plane": plane(blueprint="r9"), "wanted_blueprint": "r9"}, "BlueprintUnknown", "spec.blueprint is r9; this provider has r1, r2"),
        ({"plane": plane(blueprint="r2"), "wanted_blueprint": "r2"}, "NotYet", ""),
        (
            {"plane": plane(blueprint="r2"), "wanted_blueprint": "r2", "site": replace(SITE, takes_blueprint=False)},
            "OlderProgram",
            "--keep",
        ),
        ({"mode": Mode.SHARED, "plane": plane(blueprint="r2"), "others": 465}, "WaitsForTheOthers", "465 Clusters"),
        ({"site": replace(SITE, revision=4)}, "NotYet", ""),
    ],
)
def test_a_site_that_does_not_have_its_settings_goes_on_and_says_why(changes: dict[str, Any], reason: str, words: str) -> None:
    owner = {"site": replace(SITE, cluster="commonweal-fleet/*")} if changes.get("mode") is Mode.SHARED else {}
    said = plane_status(facts(**(owner | changes)))
    assert said
    assert conditions(said)["BlueprintApplied"] == ("False", reason)
    assert conditions(said)["Available"] == ("True", "Available")
    (message,) = [c["message"] for c in said["conditions"] if c["type"] == "BlueprintApplied"]
    assert words in message


def test_the_status_names_the_revision_that_the_programs_have() -> None:
    assert (plane_status(facts()) or {})["blueprint"] == "r1"
    before = replace(plane(blueprint="r2"), status={"version": OLD, "blueprint": "r1"})
    rolling = facts(plane=before, wanted_blueprint="r2", site=replace(SITE, blueprint="r2", revision=4, step="kubelet"))
    assert (plane_status(rolling) or {})["blueprint"] == "r1"


def test_the_status_says_what_is_replaced_and_that_the_old_version_still_runs() -> None:
    rolling = facts(plane=plane(version=NEW), wanted_version=NEW, site=replace(SITE, kubernetes=NEW, revision=4, step="kube-scheduler"))
    said = plane_status(rolling)
    assert said
    (message,) = [c["message"] for c in said["conditions"] if c["type"] == "RollingOut"]
    assert message == "from v1.36.3 to v1.37.2: kube-scheduler"
    assert said["version"] == OLD


def test_an_api_server_that_does_not_answer_is_not_available_and_keeps_what_was_reached() -> None:
    done = {"initialization": {"controlPlaneInitialized": True}, "version": OLD}
    silent = facts(site=replace(SITE, answers=False, version="", nodes=None), plane=replace(plane(), status=done))
    said = plane_status(silent)
    assert said
    assert conditions(said)["Available"] == ("False", "NoAnswer")
    (message,) = [c["message"] for c in said["conditions"] if c["type"] == "Available"]
    assert "a program of the site may be starting again" in message
    assert said["initialization"] == {"controlPlaneInitialized": True}
    assert said["version"] == OLD


def test_who_took_the_port_of_a_silent_api_server_is_named() -> None:
    silent = facts(site=replace(SITE, answers=False, version="", stranger="port 21043 is held by nginx (pid 7)"))
    (message,) = [c["message"] for c in (plane_status(silent) or {})["conditions"] if c["type"] == "Available"]
    assert message.endswith("port 21043 is held by nginx (pid 7): end that, and the site answers again.")


def test_provisioned_is_said_only_when_secret_and_endpoint_are_there() -> None:
    for missing in ({"secret": None}, {"infra": seen(Kind.INFRA)}):
        said = infra_status(facts(**missing))
        assert said
        assert said["initialization"] == {"provisioned": False}
        assert conditions(said)["Ready"] == ("False", "Connecting")


def test_a_site_that_serves_is_available_before_it_takes_pods_and_says_what_that_waits_for() -> None:
    early = facts(site=replace(SITE, ready=False, stage="the node"))
    said = plane_status(early)
    assert said
    assert said["initialization"] == {"controlPlaneInitialized": True}
    assert conditions(said)["Available"] == ("True", "Available")
    assert conditions(said)["Furnished"] == ("False", "Starting")
    assert any(c["message"] == "The site is starting; it waits for the node." for c in said["conditions"])
    assert conditions(infra_status(early))["Ready"] == ("True", "Ready")
    starting = facts(site=replace(SITE, ready=False, serving=False, answers=False, version="", nodes=None))
    assert conditions(plane_status(starting))["Available"] == ("False", "Starting")


def test_a_site_that_served_and_could_not_be_furnished_is_not_available() -> None:
    failed = facts(site=replace(SITE, ready=False, error="a Ready node: not there after 240 s"))
    assert conditions(plane_status(failed))["Available"] == ("False", "StartFailed")


def test_what_a_step_ended_with_is_what_is_said() -> None:
    said = infra_status(facts(site=None, failure=Problem("StartFailed", "Port 21043 is taken")))
    assert conditions(said)["Ready"] == ("False", "StartFailed")


def test_a_change_that_cannot_begin_does_not_make_a_running_site_unavailable() -> None:
    stuck = facts(plane=plane(version=NEW), wanted_version=NEW, failure=Problem("ChangeFailed", "no programs"))
    said = conditions(plane_status(stuck))
    assert said["Available"] == ("True", "Available")
    assert said["RollingOut"] == ("True", "Stuck")
    assert conditions(infra_status(stuck))["Ready"] == ("True", "Ready")


def test_pods_that_ask_for_more_than_a_smaller_size_keep_it_away() -> None:
    site = replace(SITE, mode=Mode.PODS, size=2, requested_mib=9000)
    asked = facts(mode=Mode.PODS, site=site, plane=plane(nodes=1))
    problem = of_size(asked)
    assert problem
    assert "9000 MiB" in problem.message
    assert decide(asked) is Step.NOTHING
    assert decide(replace(asked, site=replace(site, requested_mib=4000))) is Step.CHANGE

"""What the two objects of a Cluster say of it. Pure; times are put in where the status is written, and only when something else differs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from commonweal_local.provider import refusals
from commonweal_local.provider.decide import has_endpoint, is_paused, leaving, wanted_size, wants_change
from commonweal_local.provider.facts import GIB_PER_NODE, Facts, Mode, Problem, Site
from commonweal_local.provider.kinds import Seen

Status = Mapping[str, Any]
WAITING = ("WaitsForTheOthers", "OlderProgram")
NOT_PAUSED = Problem("NotPaused", "")
PAUSED = Problem(
    "Paused", "Nothing is changed, started or ended: spec.paused of the Cluster, or the annotation cluster.x-k8s.io/paused on this object."
)


def infra_status(facts: Facts) -> Status | None:
    """What the LocalCluster says; None when there is nobody to tell, or nothing to say yet: before there is a control plane its mode is not known."""
    seen = facts.infra
    if seen is None or (facts.plane is None and not leaving(facts)):
        return None
    if is_paused(facts):
        return _only_paused(seen)
    problem = _place(facts)
    was = bool((seen.status.get("initialization") or {}).get("provisioned"))
    conditions = [
        _condition(seen, "Ready", problem is None, problem or Problem("Ready", "")),
        _condition(seen, "Paused", False, NOT_PAUSED),
    ]
    network = {"network": {"podCIDR": facts.site.pods, "serviceCIDR": facts.site.services}} if facts.site else _kept(seen, "network")
    return {"initialization": {"provisioned": was or problem is None}, **network, "conditions": conditions}


def plane_status(facts: Facts) -> Status | None:
    """What the LocalControlPlane says: the version and size that are, not those that are asked for."""
    seen, site = facts.plane, facts.site
    if seen is None:
        return None
    if is_paused(facts):
        return _only_paused(seen)
    available = _availability(facts)
    was = bool((seen.status.get("initialization") or {}).get("controlPlaneInitialized"))
    version = site.version if site and site.version and _ours(facts) else str(seen.status.get("version", ""))
    nodes = {"nodes": site.nodes} if site and site.nodes is not None and facts.mode is not Mode.SHARED else {}
    said = {"version": version, "versions": [{"version": version}]} if version else {}
    said |= {"blueprint": site.blueprint} if site and site.blueprint and not site.changing and _ours(facts) else _kept(seen, "blueprint")
    refused = refusals.of_version(facts)
    conditions = [
        _condition(seen, "Available", available is None, available or Problem("Available", "")),
        _furnished(facts, seen),
        _rolling(facts, seen),
        _condition(seen, "VersionAccepted", refused is None, refused or Problem("VersionAccepted", "")),
        _blueprint(facts, seen),
        _size(facts, seen),
        _condition(seen, "Paused", False, NOT_PAUSED),
    ]
    ready = was or (available is None and _secret_is_there(facts))
    head = {"initialization": {"controlPlaneInitialized": ready}, "externalManagedControlPlane": True, "mode": facts.mode.value}
    return {**head, **said, **nodes, "conditions": conditions}


def _ours(facts: Facts) -> bool:
    return refusals.of_place(facts) is None


def _secret_is_there(facts: Facts) -> bool:
    return facts.secret is not None and facts.site is not None and facts.secret.digest == facts.site.digest


def _place(facts: Facts) -> Problem | None:
    """Why the infrastructure is not ready; None when it is."""
    if leaving(facts):
        return facts.failure or Problem("Deleting", "The site is being ended; the LocalControlPlane goes first.")
    site = facts.site
    problem = refusals.of_place(facts) or (None if site is not None and site.ready else facts.failure)
    if problem:
        return problem
    if site is None or not site.running or site.error:
        return refusals.of_machine(facts) or _why_not_running(facts)
    if not site.serving:
        return _starting(facts, site)
    if not (_secret_is_there(facts) and has_endpoint(facts)):
        return Problem("Connecting", "The API server answers; the site's Secret and endpoint are being written.")
    return None


def _starting(facts: Facts, site: Site) -> Problem:
    return Problem(
        "Starting", "The site is starting." if facts.mode is Mode.SHARED else f"The site is starting; it waits for {site.stage}."
    )


def _furnished(facts: Facts, seen: Seen) -> Mapping[str, Any]:
    """Whether pods are placed: on a node that is ready, with names, enforced policies, volumes and images."""
    site = facts.site
    problem = _place(facts) or (_starting(facts, site) if site is not None and not site.ready else None)
    return _condition(seen, "Furnished", problem is None, problem or Problem("Furnished", ""))


def _why_not_running(facts: Facts) -> Problem:
    site = facts.site
    for refused in (refusals.of_version(facts), refusals.of_blueprint(facts)):
        if refused and (site is None or refused.reason not in WAITING):
            return refused
    if site is not None and site.error:
        return Problem(
            "StartFailed",
            f"The site did not get ready: {site.error}. Its logs are in $COMMONWEAL_HOME/sites/{site.name}/logs. It is started again, "
            "less and less often.",
        )
    return Problem("Starting", "The site is being started.")


def _availability(facts: Facts) -> Problem | None:
    place = _place(facts)
    if place is not None and place.reason != "Connecting":
        return place
    site = facts.site
    if site is not None and not site.answers:
        return Problem(
            "NoAnswer",
            f"The API server at {site.host}:{site.port} does not answer; "
            + (
                f"{site.stranger}: end that, and the site answers again."
                if site.stranger
                else "a program of the site may be starting again."
            ),
        )
    return place


def _rolling(facts: Facts, seen: Seen) -> Mapping[str, Any]:
    """In Cluster API's sense: True while what runs is not yet what was accepted."""
    site = facts.site
    running = site is not None and site.ready and _ours(facts)
    if site is None or not running or leaving(facts) or not (site.changing or site.change_error or wants_change(facts)):
        return _condition(seen, "RollingOut", False, Problem("NotRollingOut", ""))
    stuck = site.change_error or (facts.failure.message if facts.failure else "")
    if stuck:
        again = "The programs before it run as wanted, the others as before. It is tried again, less and less often."
        return _condition(seen, "RollingOut", True, Problem("Stuck", f"{stuck}. {again}"))
    return _condition(seen, "RollingOut", True, Problem("RollingOut", _what_rolls(facts, site)))


def _what_rolls(facts: Facts, site: Site) -> str:
    before = str(facts.plane.status.get("version", "")) if facts.plane else ""
    to = f"from {before} to {facts.wanted_version}" if before and before != facts.wanted_version else f"at {facts.wanted_version}"
    return f"{to}: {site.step or 'about to begin'}"


def _blueprint(facts: Facts, seen: Seen) -> Mapping[str, Any]:
    refused = refusals.of_blueprint(facts)
    if refused:
        return _condition(seen, "BlueprintApplied", False, refused)
    site = facts.site
    if site is None or not site.ready or site.blueprint != facts.wanted_blueprint or site.changing or site.change_error:
        return _condition(
            seen, "BlueprintApplied", False, Problem("NotYet", "The site's programs do not have the settings of its class's revision yet.")
        )
    said = Problem("BlueprintApplied", f"Its programs run with the flags and files of {site.blueprint}.")
    return _condition(seen, "BlueprintApplied", True, said)


def _size(facts: Facts, seen: Seen) -> Mapping[str, Any]:
    refused = refusals.of_size(facts)
    if refused:
        return _condition(seen, "SizeApplied", False, refused)
    if facts.mode is Mode.SHARED:
        return _condition(
            seen, "SizeApplied", True, Problem("Shared", "spec.nodes is not applied in mode Shared: there is one API server and no node.")
        )
    site = facts.site
    if site is None or not site.ready or site.size != wanted_size(facts) or site.changing:
        return _condition(seen, "SizeApplied", False, Problem("NotYet", "The site does not have its size yet."))
    return _condition(seen, "SizeApplied", True, Problem("SizeApplied", _meaning(facts, site)))


def _meaning(facts: Facts, site: Site) -> str:
    if facts.mode is Mode.CONTROL_PLANE:
        return f"{site.size} simulated nodes."
    if not site.size:
        return "One node; its pods may use the whole machine's memory."
    asked = site.size * GIB_PER_NODE
    return f"One node stands for {site.size}: its pods may use {asked} GiB of memory together, or all of the machine's if that is less."


def _condition(seen: Seen, kind: str, holds: bool, problem: Problem) -> Mapping[str, Any]:
    status = "True" if holds else "False"
    head = {"type": kind, "status": status, "reason": problem.reason, "message": problem.message}
    return {**head, "observedGeneration": seen.generation}


def _only_paused(seen: Seen) -> Status:
    """Everything as it was said last, but for the one condition."""
    kept = [c for c in seen.status.get("conditions") or () if c["type"] != "Paused"]
    return {**seen.status, "conditions": [*kept, _condition(seen, "Paused", True, PAUSED)]}


def _kept(seen: Seen, field: str) -> Status:
    return {field: seen.status[field]} if field in seen.status else {}

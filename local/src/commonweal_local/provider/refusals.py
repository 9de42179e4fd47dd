"""What stands in the way, said so that the reader knows which field to change, or what to do on the machine. Pure."""

from __future__ import annotations

import re

from commonweal_local.provider.facts import GIB_PER_NODE, SHARED_SITE, Facts, Mode, Problem
from commonweal_stacks.blueprint import CURRENT, REVISIONS
from commonweal_stacks.fleet_names import FLEET

LEAST_FREE_GIB = 5
LEAST_MIB = {Mode.PODS: 900, Mode.CONTROL_PLANE: 450, Mode.SHARED: 600}
NAME = re.compile(r"[a-z][a-z0-9]{0,10}")


def number(version: str) -> tuple[int, ...]:
    """`v1.36.3` -> (1, 34, 4), for comparing."""
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def of_place(facts: Facts) -> Problem | None:
    """Why there can be no site for this Cluster, whatever the machine has; nothing is tried again before an object changes."""
    name, site = facts.name, facts.site
    if facts.namespace != FLEET:
        return Problem(
            "NamespaceNotServed",
            f"metadata.namespace of the Cluster is {facts.namespace}; local sites are made for Clusters in {FLEET} only.",
        )
    if facts.mode is not Mode.SHARED and (not NAME.fullmatch(name) or name == SHARED_SITE):
        return Problem(
            "NameNotPossible",
            f"metadata.name of the Cluster is {name!r}, which cannot name a local site: a letter, then lower-case letters and digits, at most 11 in "
            f"all, and not {SHARED_SITE!r}. Make the Cluster again under such a name, or name a class of mode Shared.",
        )
    if site is not None and site.cluster != facts.owner:
        made = f"by the Cluster {site.cluster}" if site.cluster else "by hand"
        return Problem(
            "SiteTaken",
            f"A local site {site.name!r} is there already, made {made}. `commonweal local down {site.name}` ends it with its data; or name this "
            "Cluster otherwise.",
        )
    if site is not None and site.mode is not (Mode.CONTROL_PLANE if facts.mode is Mode.SHARED else facts.mode):
        return Problem(
            "ModeDiffers",
            f"spec.mode of the LocalControlPlane asks for {facts.mode}, and the site {site.name!r} is there as {site.mode}. Name that mode in "
            "the class's variable `mode`; only where its data may go, delete the Cluster and make it again.",
        )
    return None


def of_version(facts: Facts) -> Problem | None:
    """Why the site does not go to the version that its Cluster asks for; a site that runs goes on as it is."""
    asked = str(facts.plane.spec["version"]) if facts.plane else ""
    running = facts.site.version if facts.site else ""
    if asked not in facts.known:
        return Problem(
            "VersionUnknown",
            f"spec.version (the Cluster's spec.topology.version) is {asked}; local sites have {' and '.join(facts.known)}. Name one of them.",
        )
    if facts.mode is Mode.SHARED and facts.wanted_version != asked:
        return Problem(
            "WaitsForTheOthers",
            f"The API server that all {facts.others} Clusters of mode Shared have in common runs {facts.wanted_version} until each of them asks for "
            f"{asked} in spec.topology.version.",
        )
    if running and number(running) > number(asked):
        return Problem(
            "DowngradeRefused",
            f"spec.version (the Cluster's spec.topology.version) is {asked}, and the site runs {running}: Kubernetes cannot go back, because what "
            f"it has stored may not be read by the older one. Set it to {running}; to go back, restore a backup into a new site.",
        )
    return None


def of_blueprint(facts: Facts) -> Problem | None:
    """Why the site does not get the settings of the revision that its class is of; a site that runs goes on as it is."""
    site = facts.site
    asked = str(facts.plane.spec.get("blueprint") or CURRENT) if facts.plane else CURRENT
    if asked not in REVISIONS:
        return Problem(
            "BlueprintUnknown",
            f"spec.blueprint is {asked}; this provider has {', '.join(REVISIONS)}. Name a class of one of them, or start the provider of the "
            "release that has it.",
        )
    if facts.mode is Mode.SHARED and facts.wanted_blueprint != asked:
        return Problem(
            "WaitsForTheOthers",
            f"The API server that all {facts.others} Clusters of mode Shared have in common has the settings of {facts.wanted_blueprint} until each "
            f"of them is of a class of {asked}.",
        )
    if site is not None and site.running and not site.takes_blueprint:
        return Problem(
            "OlderProgram",
            f"The site was started by a release that knew of no blueprint. `commonweal local down {site.name} --keep` ends it; it is started again "
            f"at once, with its data and the settings of {asked}.",
        )
    return None


def of_machine(facts: Facts) -> Problem | None:
    """Why this machine cannot carry one more site now; asked again from time to time, for this can change by itself."""
    machine, site = facts.machine, facts.site
    if machine is None:
        return None
    if facts.mode is Mode.PODS and not machine.root:
        return Problem(
            "RootMissing",
            "spec.mode of the LocalControlPlane is Pods (or is not set), and sites with pods need root. Start the provider as root "
            "(`sudo -E commonweal management up`), or name a class with `mode: ControlPlane`.",
        )
    if machine.free_gib < LEAST_FREE_GIB:
        return Problem(
            "DiskFull",
            f"Only {machine.free_gib:.1f} GiB are free where sites are kept, and a site needs {LEAST_FREE_GIB}. Free some space, or set "
            "COMMONWEAL_HOME to a directory on a larger disk and start the provider again.",
        )
    if machine.available_mib < LEAST_MIB[facts.mode]:
        return Problem(
            "MemoryShort",
            f"Only {machine.available_mib} MiB of memory are available, and a site of mode {facts.mode} needs {LEAST_MIB[facts.mode]}. End "
            "something, delete another Cluster, or name a class with `mode: Shared`.",
        )
    if machine.obstacle:
        return Problem(
            "AddressTaken",
            f"The site's address, which the Cluster names, is held by {machine.obstacle}. End that; the site is started under its address as soon as "
            "it is free, and never under another.",
        )
    if site is None and machine.free_places < 1:
        return Problem(
            "TooManySites",
            f"All places for sites of mode {facts.mode} on this machine are taken. Delete another Cluster, `commonweal local down SITE` a site made by "
            "hand, of this home or of another (`COMMONWEAL_HOME`), or name a class with `mode: Shared`, which takes one place for all.",
        )
    return None


def of_size(facts: Facts) -> Problem | None:
    """Why the site does not get the size that is asked for."""
    site, nodes = facts.site, facts.nodes
    if site is None or nodes is None or facts.mode is not Mode.PODS:
        return None
    wanted_mib = nodes * GIB_PER_NODE * 1024
    if site.requested_mib > wanted_mib:
        return Problem(
            "PodsAskForMore",
            f"spec.nodes is {nodes}, which is {nodes * GIB_PER_NODE} GiB for all pods, and the pods that run ask for {site.requested_mib} MiB: some "
            "would be ended. Take departments away first, or choose a larger size.",
        )
    return None

"""What is left of a site: processes, mounts, links, control groups, files, Pulumi's state, and its objects on the management cluster."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from commonweal_cli.site.stack import root
from commonweal_local import machine, paths
from commonweal_local.sites import bridge, cgroups
from commonweal_local.sites.site import CGROUP, Mode, Site
from commonweal_stacks import fleet_names as names
from commonweal_stacks.api import Api
from commonweal_stacks.exceptions import SiteConfigError
from commonweal_stacks.management_access import management_kubeconfig

PROC = Path("/proc")
GONE, LEFT, NOT_CHECKED = "gone", "left", "not checked"


@dataclass(frozen=True)
class Check:
    """One kind of trace that was looked for: `gone`, `left` with what was found, or `not checked` with why."""

    check: str
    result: str
    detail: str = ""


def look(site: str, *, project: str, local: bool) -> list[Check]:
    """Look for everything that a site has on this machine and on the management cluster; `project` is the name of its Pulumi project.

    `local`: the site ran on this machine, so what a running one has is looked for as well.
    """
    found: list[tuple[str, Callable[[], Sequence[str]]]] = [
        *(_of_a_local(Site(site, 0, Mode.PODS, paths.sites(), {})) if local else ()),
        ("files of the site", lambda: _there(paths.sites() / site)),
        ("files and secrets of the stack", lambda: _there(*stack_files(site))),
        ("state of the stack", lambda: _there(*state_files(site, project))),
    ]
    return [*(_judged(what, left()) for what, left in found), *_on_management(site)]


def _of_a_local(site: Site) -> list[tuple[str, Callable[[], Sequence[str]]]]:
    # Control groups bear the site's name alone. While another home's site has the name, they are that one's: two of a name cannot run.
    groups = "" if machine.program("ip") and bridge.is_foreign(site) else f"/{CGROUP}/{site.name}"
    return [
        ("processes", lambda: processes(site.directory, groups)),
        ("mounts", lambda: mounts(site.directory)),
        ("links", lambda: _cable(site)),
        ("control groups", lambda: [str(one) for root in cgroups.hierarchies() if groups and (one := root / groups[1:]).exists()]),
    ]


def _cable(site: Site) -> list[str]:
    return [site.link] if machine.program("ip") and bridge.is_connected(site) else []


def stack_files(site: str) -> list[Path]:
    """The stack's directory and the secrets that are its alone."""
    return [root() / "sites" / site, root() / f"site-key-{site}", root() / f"encryption-key-{site}"]


def state_files(site: str, project: str) -> list[Path]:
    """What Pulumi's file backend of this home keeps of a stack: state, copies, history, locks, and what it was writing when it was killed.

    A site's name holds no dot, so what begins with name and dot is the site's own.
    """
    own = [Path(folder) for folder, _, _ in os.walk(root() / "state" / ".pulumi") if Path(folder).name == project]
    return [place for folder in own for place in (folder / site, *folder.glob(f"{site}.*"))]


def processes(directory: Path, group: str) -> list[str]:
    """Processes whose command line names the site's directory, or that are in its control group, if one is given."""
    own = os.getpid()
    return [
        f"process {entry.name}"
        for entry in PROC.iterdir()
        if entry.name.isdigit()
        and int(entry.name) != own
        and (_names(entry / "cmdline", f"{directory}") or (group and _in_group(entry, group)))
    ]


def mounts(directory: Path) -> list[str]:
    """Mounts at or below a directory."""
    points = [line.split()[4] for line in (PROC / "self" / "mountinfo").read_text().splitlines()]
    return [point for point in points if Path(point).is_relative_to(directory)]


def _names(file: Path, text: str) -> bool:
    try:
        words = file.read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return False
    return any(word == text or f"{text}/" in word for word in words)


def _in_group(entry: Path, group: str) -> bool:
    try:
        lines = (entry / "cgroup").read_text().splitlines()
    except OSError:
        return False
    return any(f"{line.split(':', 2)[2]}/".startswith(f"{group}/") for line in lines)


def _there(*places: Path) -> list[str]:
    return [str(place) for place in places if place.exists()]


def _judged(what: str, left: Sequence[str]) -> Check:
    return Check(what, LEFT, ", ".join(left)) if left else Check(what, GONE)


def _on_management(site: str) -> list[Check]:
    wanted = {
        "Cluster": f"/apis/{names.GROUP}/{names.VERSION}/namespaces/{names.FLEET}/clusters/{site}",
        "ClusterProfile": f"/apis/multicluster.x-k8s.io/v1alpha1/namespaces/{names.FLEET}/clusterprofiles/{site}",
        "kubeconfig Secret": f"/api/v1/namespaces/{names.FLEET}/secrets/{names.kubeconfig_secret(site)}",
    }
    try:
        api = Api(management_kubeconfig(), site="management")
        return [_judged(f"{what} on the management cluster", _named(api, path)) for what, path in wanted.items()]
    except SiteConfigError as error:
        why = str(error).splitlines()[0]
        return [Check(f"{what} on the management cluster", NOT_CHECKED, why) for what in wanted]


def _named(api: Api, path: str) -> list[str]:
    return ["/".join(path.split("/")[-2:])] if api.find(path) else []

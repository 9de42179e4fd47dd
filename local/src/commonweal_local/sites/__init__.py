"""Local sites: each a real cluster of its own on this machine.

`up`, `down`, `status`, `load`, `cut` and `reconnect` are what other parts call. A site that "is up" is ready: its node takes pods, names
resolve, policies are enforced, volumes are made and the wanted images are there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from commonweal_local import paths
from commonweal_local.progress import Progress
from commonweal_local.sites.site import Mode, Site

if TYPE_CHECKING:
    from commonweal_local.sites.state import Status

__all__ = ["Mode", "Site", "cut", "down", "find", "hand_over", "load", "programs", "reconnect", "status", "up"]


def up(
    names: Sequence[str],
    images: Iterable[str | Path] = (),
    *,
    mode: Mode | None = None,
    progress: Progress | None = None,
) -> list[Site]:
    """Bring sites up (or leave them up) and return them, ready; `images` are references from `images.json`, or archive files.

    As root the sites run pods; otherwise they are control planes with simulated nodes, unless `mode` says otherwise. Programs that
    are missing are built first, which takes minutes the first time. Raises LocalError, which says what to do.
    """
    from commonweal_local.images.archives import archive_of  # noqa: PLC0415
    from commonweal_local.sites import checks, host, rotation  # noqa: PLC0415

    shown = progress or Progress()
    chosen = mode or checks.default_mode()
    checks.before_any(paths.sites(), chosen)
    archives = [archive_of(image) for image in images] if chosen is Mode.PODS else []
    wanted = [host.Wanted(name, chosen, programs(chosen, _version_of(name), shown), archives) for name in names]
    started = host.start(paths.sites(), wanted, shown)
    for site in started:
        rotation.settle(site, shown.say)  # for one from before its Secrets were sealed
    return started


def programs(mode: Mode, kubernetes: str = "", progress: Progress | None = None) -> dict[str, str]:
    """Program -> path of what a site of that mode needs, of that version of Kubernetes ("" for the toolchain's own); built if need be."""
    from commonweal_local import toolchain  # noqa: PLC0415
    from commonweal_local.sites import host  # noqa: PLC0415

    tools = toolchain.ensure(host.programs_for(mode), progress)
    found = {name: str(tool.path) for name, tool in tools.items()}
    chosen = toolchain.kubernetes(kubernetes) if kubernetes else {}
    return {**found, **{name: str(path) for name, path in chosen.items() if name in found}}


def _version_of(name: str) -> str:
    """The version that a site was brought to, so that starting it again does not take it back."""
    return next((site.kubernetes for site in _known() if site.name == name), "")


def _known() -> list[Site]:
    from commonweal_local.sites.site import all_sites  # noqa: PLC0415

    return all_sites(paths.sites())


def down(names: Sequence[str] = (), *, keep: bool = False) -> list[str]:
    """End sites (all, when none is named) and everything they left; returns what would not go, normally nothing."""
    from commonweal_local.sites import host  # noqa: PLC0415

    return host.stop(paths.sites(), names, keep=keep)


def status() -> list[Status]:
    """Every site of this home, running or not."""
    from commonweal_local.sites.site import all_sites  # noqa: PLC0415
    from commonweal_local.sites.state import status_of  # noqa: PLC0415

    return [status_of(one) for one in all_sites(paths.sites())]


def find(name: str) -> Site:
    """One site's configuration; raises LocalError when there is none of that name."""
    return Site.load(paths.sites(), name)


def hand_over(name: str, cluster: str) -> None:
    """Have a site belong to the Cluster API object `namespace/name`, whose provider keeps and ends it from now on; nothing is restarted."""
    from commonweal_local.sites import host  # noqa: PLC0415

    host.hand_over(paths.sites(), name, cluster)


def load(images: Iterable[str | Path], names: Sequence[str] = ()) -> dict[str, list[str]]:
    """Import images into running sites (all, when none is named); site -> the names imported, without those it had."""
    from commonweal_local.images.archives import archive_of  # noqa: PLC0415
    from commonweal_local.sites import host, processes  # noqa: PLC0415
    from commonweal_local.sites.site import all_sites  # noqa: PLC0415

    archives = [archive_of(image) for image in images]
    chosen = [find(name) for name in names] or [one for one in all_sites(paths.sites()) if processes.first_process(one)]
    return {one.name: host.load(one, archives) for one in chosen}


def cut(name: str, *, between: bool = False) -> None:
    """Cut a site off from everything, or with `between` only from the other sites."""
    from commonweal_local.sites import bridge  # noqa: PLC0415

    bridge.cut(find(name), between=between)


def reconnect(name: str) -> None:
    """Undo `cut`."""
    from commonweal_local.sites import bridge  # noqa: PLC0415

    bridge.restore(find(name))

"""Which place on this machine a site has: an index, which decides its addresses and ports.

A place is a site's for as long as its files are there, or a Cluster names its address; the site comes back to it, never to another. No two homes of
this machine have the same: who takes one writes it down in one directory for all of them, and holds that directory's lock meanwhile.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from commonweal_local import paths
from commonweal_local.exceptions import LocalError
from commonweal_local.sites import bridge, ports
from commonweal_local.sites.site import MOST_SITES, Mode, Site, all_sites, free_index

OPEN_TO_ALL = 0o1777


@dataclass(frozen=True)
class Claim:
    """What a site says of its place. `cluster` as in `Site`."""

    root: str
    name: str
    mode: str
    index: int
    cluster: str

    @property
    def who(self) -> str:
        """For a person, with what ends it."""
        home = Path(self.root).parent
        return f"site {self.name!r} of {home} (`COMMONWEAL_HOME={home} commonweal local down {self.name}` ends it with its data)"


@contextmanager
def locked() -> Iterator[None]:
    """Be the only one on this machine that takes a place; others wait."""
    directory = paths.claims()
    with suppress(FileExistsError):
        directory.mkdir(parents=True)
        directory.chmod(OPEN_TO_ALL)  # homes of several users share it
    held = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
    finally:
        os.close(held)


def place_for(root: Path, name: str, mode: Mode, asked: int | None) -> int:
    """The index for a site: the one it has, else the one that is `asked` for, else the lowest that nobody has. Call it under `locked`.

    Raises LocalError that says who has the one that it must be.
    """
    kept = {site.name: site for site in all_sites(root) if site.mode is mode}
    others = _others(root, name, mode)
    must = kept[name].index if name in kept else asked
    if must is None:
        used = {site.index for site in kept.values()} | {claim.index for claim in others} | _in_use(root, mode)
        return free_index(used, MOST_SITES[mode])
    whose = _whose(root, mode, must, others)
    if whose:
        raise LocalError(f"The address of site {name!r} is that of {whose}", "End one of the two; neither can have another.")
    return must


def free(root: Path, name: str, mode: Mode) -> int:
    """How many places this machine has left for a site of that name."""
    with locked():
        others = {claim.index for claim in _others(root, name, mode)}
    used = {site.index for site in all_sites(root) if site.mode is mode}
    return len(set(range(MOST_SITES[mode])) - used - others - _in_use(root, mode))


def obstacle(site: Site) -> str:
    """Who has the address that a site that does not run must have, in words; nothing when it is free."""
    with locked():
        whose = _whose(site.root, site.mode, site.index, _others(site.root, site.name, site.mode))
    if whose or site.runs_pods:
        return whose
    port = ports.taken(site)
    return f"{ports.holder(port)}, which has port {port}" if port else ""


def claim(site: Site) -> None:
    """Write down that the place is the site's. Call it under `locked`."""
    said = Claim(str(site.root), site.name, site.mode.value, site.index, site.cluster)
    file = _file(site.root, site.name)
    text = json.dumps(asdict(said))
    if not file.is_file() or file.read_text() != text:
        paths.write(file, text)


def release(root: Path, name: str = "") -> None:
    """Give up the place of a site, or of every site under a root whose files are gone."""
    with locked():
        for file, said in _files():
            if said.root == str(root) and (said.name == name if name else not (root / said.name / "site.json").exists()):
                with suppress(OSError):
                    file.unlink()


def _others(root: Path, name: str, mode: Mode) -> list[Claim]:
    return [claim for claim in _claims(mode) if (claim.root, claim.name) != (str(root), name)]


def _whose(root: Path, mode: Mode, index: int, others: Iterable[Claim]) -> str:
    """Which other site has a place, in words; nothing when none has."""
    running = bridge.foreign(root) if mode is Mode.PODS else {}
    return next((claim.who for claim in others if claim.index == index), running.get(index, ""))


def _claims(mode: Mode) -> list[Claim]:
    """What holds still; what does not is forgotten."""
    found = []
    for file, said in _files():
        if not _holds(said):
            with suppress(OSError):  # another user's
                file.unlink()
        elif said.mode == mode.value:
            found.append(said)
    return found


def _holds(said: Claim) -> bool:
    """Whether the site's files are there, or its home is and a Cluster names the address. What we may not look at holds."""
    root = Path(said.root)
    try:
        return (root / said.name / "site.json").is_file() or (bool(said.cluster) and root.is_dir())
    except PermissionError:
        return True


def _in_use(root: Path, mode: Mode) -> set[int]:
    """Places that somebody has who wrote nothing down."""
    if mode is Mode.PODS:
        return set(bridge.foreign(root))
    return {index for index in range(MOST_SITES[mode]) if ports.taken(Site("any", index, mode, root, {}))}


def _file(root: Path, name: str) -> Path:
    digest = hashlib.sha256(f"{root}\0{name}".encode()).hexdigest()[:16]
    return paths.claims() / f"{os.getuid()}-{digest}.json"


def _files() -> list[tuple[Path, Claim]]:
    found = []
    for file in sorted(paths.claims().glob("*.json")):
        try:
            found.append((file, Claim(**json.loads(file.read_text()))))
        except (OSError, ValueError, TypeError):
            continue  # being written by another user, or no claim
    return found

"""Images unpacked once, for all sites of this machine: a tree of containerd's in the cache, which a new site gets as links to the same files.

Importing the images takes each site some ten seconds of processor time; a link costs nothing, and sites then share the files' pages in memory. Nothing
writes to these files: containerd only ever reads what it has unpacked, and containers write to layers of their own.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from commonweal_local import machine, paths
from commonweal_local.exceptions import CommandFailedError
from commonweal_local.images.base import write_base_image
from commonweal_local.images.containers import identity_of, import_images
from commonweal_local.progress import Progress
from commonweal_local.shell import run, succeeds
from commonweal_local.waiting import until

# Part of every tree's name: raise it when the code here lays trees out otherwise.
EDITION = "1"
START_SECONDS = 30
# What never changes once written is linked; what containerd writes to is copied, and what is not named here it makes itself.
LINKED = ("io.containerd.content.v1.content/blobs", "io.containerd.snapshotter.v1.overlayfs/snapshots")
COPIED = ("io.containerd.metadata.v1.bolt/meta.db", "io.containerd.snapshotter.v1.overlayfs/metadata.db")
SETTINGS = """version = 2
root = "{root}"
state = "{state}"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
  address = "{socket}"
"""


def directory() -> Path:
    """Where the trees lie, each under a name that stands for its images."""
    return paths.cache() / "images" / "unpacked"


def tree_of(archives: Sequence[Path]) -> Path:
    """Where the tree of exactly these images lies, once it was made."""
    identities = sorted({" ".join(identity_of(archive)) for archive in archives})
    return directory() / hashlib.sha256("\n".join([EDITION, *identities]).encode()).hexdigest()[:16]


def make(archives: Sequence[Path], progress: Progress) -> Path | None:
    """Unpack the images, and the base image that every site has, unless that was done. None where it cannot be: not as root, or no containerd."""
    if os.geteuid() != 0 or not machine.program("containerd"):
        return None
    with tempfile.TemporaryDirectory(prefix="commonweal-unpack-") as scratch:
        every = [write_base_image(Path(scratch) / "base.tar"), *archives]
        tree = tree_of(every)
        with paths.one_at_a_time(directory()):
            if not tree.exists():
                with progress.step("images: unpacking them once for all sites"):
                    _unpack(every, tree, Path(scratch))
    os.utime(tree)
    return tree


def lay(archives: Sequence[Path], place: Path) -> bool:
    """Give a site that has no images yet these, as its containerd's directory. False when they were never unpacked, or cannot be linked to there.

    Whole or not at all: what a killed run left is begun anew. `place` must be on the disk of the cache by the same mount: a bind mount of a directory
    is another one, and takes no links.
    """
    tree = tree_of(archives)
    if place.exists() or not tree.is_dir():
        return False
    draft = place.with_name(f"{place.name}.new")
    shutil.rmtree(draft, ignore_errors=True)
    try:
        for part in LINKED:
            (draft / part).parent.mkdir(parents=True, exist_ok=True)
            run("cp", "-a", "--link", tree / part, draft / part)
        for part in COPIED:
            (draft / part).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(tree / part, draft / part)
    except (CommandFailedError, OSError) as error:  # on another disk, or removed meanwhile: the site imports them
        print(f"images are imported, for they cannot be linked: {str(error)[-200:]}", flush=True)
        shutil.rmtree(draft, ignore_errors=True)
        return False
    draft.rename(place)
    return True


def prune(kept_seconds: float) -> None:
    """Remove the trees that nobody has asked for so long. Sites that have links to them keep the files."""
    for tree in directory().glob("*"):
        if tree.is_dir() and time.time() - tree.stat().st_mtime > kept_seconds:
            shutil.rmtree(tree, ignore_errors=True)


def _unpack(archives: Sequence[Path], tree: Path, scratch: Path) -> None:
    draft = tree.with_name(f"{tree.name}.new")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    with _containerd(draft, scratch) as socket:
        import_images(archives, inside=("env", f"CONTAINERD_ADDRESS={socket}"))
    os.sync()  # before it has its name, so that one with its name is whole also after a loss of power
    draft.rename(tree)


@contextmanager
def _containerd(root: Path, scratch: Path) -> Iterator[Path]:
    """A containerd of our own that only unpacks, for as long as the block lasts; it has ended, and its database is whole, when this returns."""
    socket = scratch / "containerd.sock"
    settings = paths.write(scratch / "config.toml", SETTINGS.format(root=root, state=scratch / "state", socket=socket))
    with (scratch / "containerd.log").open("wb") as log:
        process = subprocess.Popen([machine.program("containerd") or "containerd", "--config", str(settings)], stdout=log, stderr=log)
    try:
        asked = ("env", f"CONTAINERD_ADDRESS={socket}", "ctr", "version")
        until("containerd", START_SECONDS, lambda: socket.exists() and succeeds(*asked), every=0.02)
        yield socket
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(START_SECONDS)
        process.kill()
        process.wait()

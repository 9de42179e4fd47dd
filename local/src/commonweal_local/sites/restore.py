"""Putting a backup of etcd in the place of what a site holds, or has lost, while its pods run on.

The new data lies complete beside the old before anything is stopped; then two renames change them over. The restored revision is the clock
(milliseconds since 1970): it lies ahead of all that the site has handed out, by an earlier restore too, so no cache takes an old version for a new one.
"""

from __future__ import annotations

import datetime as dt
import os
import shutil
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from commonweal_local.exceptions import CommandFailedError, LocalError
from commonweal_local.shell import run
from commonweal_local.sites import backup, data_guard, encryption, processes, rotation
from commonweal_local.sites.api import Api, Unreachable
from commonweal_local.sites.components import CONTROL_PLANE, peers
from commonweal_local.sites.etcd import Etcd
from commonweal_local.sites.site import Site
from commonweal_local.sites.state import recorded
from commonweal_local.waiting import until

STORES = ("kube-apiserver", "etcd")
# They hold what they saw before; containerd does not, and it holds the pods.
FOLLOWERS = (*(name for name in CONTROL_PLANE if name not in STORES), "kubelet", "kube-proxy", "kwok")
SECONDS = 120.0
Say = Callable[[str], None]


@dataclass(frozen=True)
class Restored:
    """What was put back, and what that cost: `lost` is the number of changes after the backup, None when etcd could not be asked."""

    manifest: backup.Manifest
    lost: int | None
    kept: Path | None
    running: bool


def restore(site: Site, file: Path, *, keys: Path | None, etcdutl: Path, now: dt.datetime, say: Say) -> Restored:
    """Make the site what it was at the backup. Raises LocalError before anything is touched when the backup does not fit, is changed or damaged.

    The data that is replaced stays beside it until the site is well again. Safe to repeat, also after a run that was killed.
    """
    manifest = backup.read(file, site)
    opening = backup.keys_for(file, manifest, site, keys)
    lost = _lost(site, manifest)
    fresh, old = site.directory / "etcd.restored", site.directory / "etcd.replaced"
    _unpack(site, file, manifest, etcdutl, fresh, now)
    if not (site.pki / "ca.key").exists():
        backup.restore_pki(site, keys or backup.keys_file(file))
    encryption.accept(site.pki, opening)
    running = processes.first_process(site) is not None
    say(f"{'stopping etcd and the API server; pods run on' if running else 'the site does not run'}")
    kept = _change_over(site, fresh, old)
    if running:
        _bring_back(site, say)
    if kept:
        shutil.rmtree(kept)
    return Restored(manifest, lost, kept, running)


def _lost(site: Site, manifest: backup.Manifest) -> int | None:
    """How many changes were made after the backup; None when nobody can tell, or when the site was restored in between."""
    try:
        present = int(Etcd(site).status()["header"]["revision"])
    except (*Unreachable, LocalError):
        return None
    return present - manifest.revision if present < 2 * manifest.revision + 10**9 else None


def _unpack(site: Site, file: Path, manifest: backup.Manifest, etcdutl: Path, fresh: Path, now: dt.datetime) -> None:
    """Make a data directory out of the snapshot."""
    snapshot = site.directory / backup.SNAPSHOT
    shutil.rmtree(fresh, ignore_errors=True)
    snapshot.unlink(missing_ok=True)
    try:
        backup.extract(file, manifest, snapshot)
        run(
            etcdutl,
            "snapshot",
            "restore",
            snapshot,
            f"--data-dir={fresh}",
            f"--name={site.name}",
            f"--initial-cluster={site.name}={peers(site)}",
            f"--initial-advertise-peer-urls={peers(site)}",
            f"--bump-revision={int(now.timestamp() * 1000) - manifest.revision}",
            "--mark-compacted",
        )
    except CommandFailedError as error:
        raise LocalError(f"The snapshot in {file} cannot be unpacked ({error})", "Nothing was changed. Use another backup.") from error
    finally:
        snapshot.unlink(missing_ok=True)


def _change_over(site: Site, fresh: Path, old: Path) -> Path | None:
    """Put the new data in the place of the old. What runs on the old data is stopped first and ended after, so that nobody is served in between."""
    data = site.directory / "etcd"
    pids = [pid for pid in (rotation.host_pid(site, name) for name in STORES) if pid]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    shutil.rmtree(old, ignore_errors=True)
    if data.exists():
        data.rename(old)
    fresh.rename(data)
    data_guard.remember(site)
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    return old if old.exists() else None


def _bring_back(site: Site, say: Say) -> None:
    """Wait for etcd and the API server on the new data; then start anew what remembers the old."""
    until("etcd on the restored data", SECONDS, lambda: Etcd(site).healthy(), every=0.2, meanwhile=(*Unreachable, LocalError))
    until("the API server on the restored data", SECONDS, lambda: Api(site).ready(), every=0.2, meanwhile=Unreachable)
    known = recorded(site)["components"]
    for name in (name for name in FOLLOWERS if name in known):
        rotation.start_anew(site, name)
    say(f"started again: etcd, kube-apiserver, {', '.join(name for name in FOLLOWERS if name in known)}")
    until("Ready nodes", SECONDS, lambda: Api(site).nodes_ready(), every=0.3, meanwhile=Unreachable)
    rotation.settle(site, say)

"""Files that are no backup, another's, changed or damaged: each is refused with the remedy, and never with a traceback."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from commonweal_local.exceptions import LocalError
from commonweal_local.sites import backup, encryption
from commonweal_local.sites.site import Mode, Site

SNAPSHOT = bytes(range(256)) * 64


@pytest.fixture
def site(tmp_path: Path) -> Site:
    made = Site("onprem", 0, Mode.CONTROL_PLANE, tmp_path / "sites", {})
    encryption.make(made.pki, made.settings, had_data=False)
    return made


def written(on: Site, to: Path, snapshot: bytes = SNAPSHOT, **changes: object) -> backup.Manifest:
    """A backup as `take` writes it, with this snapshot, and then with changes to its manifest that nobody sealed."""
    (key,) = encryption.keys(on.pki)
    digest = backup.hashlib.sha256(SNAPSHOT).hexdigest()
    name = encryption.readers(on.pki)[0]
    manifest = backup.Manifest(1, on.name, "2026-11-22T12:00:00+00:00", 7, 3, "3.6.6", name, len(SNAPSHOT), digest)
    seal = backup._seal(manifest, key)
    content = {"manifest.json": json.dumps({**asdict(manifest), **changes}).encode(), "seal": seal.encode(), "snapshot.db": snapshot}
    with tarfile.open(to, "w:gz") as archive:
        for member, raw in content.items():
            entry = tarfile.TarInfo(member)
            entry.size = len(raw)
            archive.addfile(entry, io.BytesIO(raw))
    return manifest


def test_what_was_written_is_read_back(site: Site, tmp_path: Path) -> None:
    file = tmp_path / "one"
    manifest = written(site, file)
    assert backup.read(file, site) == manifest
    assert backup.keys_for(file, manifest, site, None) == encryption.keys(site.pki)
    backup.extract(file, manifest, tmp_path / "snapshot")
    assert (tmp_path / "snapshot").read_bytes() == SNAPSHOT


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"site": "cloud"}, "is a backup of site 'cloud', not of 'onprem'"),
        ({"format": 2}, "has format 2, and this program reads 1"),
        ({"more": 1}, "cannot be read"),
    ],
)
def test_a_manifest_that_does_not_suit_is_refused(site: Site, tmp_path: Path, changes: dict[str, object], why: str) -> None:
    written(site, tmp_path / "one", **changes)
    with pytest.raises(LocalError, match=why):
        backup.read(tmp_path / "one", site)


@pytest.mark.parametrize("changes", [{"revision": 8}, {"taken": "2026-11-23T12:00:00+00:00"}, {"sha256": "0" * 64}])
def test_a_manifest_that_was_changed_does_not_fit_its_seal(site: Site, tmp_path: Path, changes: dict[str, object]) -> None:
    written(site, tmp_path / "one", **changes)
    manifest = backup.read(tmp_path / "one", site)
    with pytest.raises(LocalError, match="its seal does not fit"):
        backup.keys_for(tmp_path / "one", manifest, site, None)


def test_a_snapshot_that_was_exchanged_is_refused(site: Site, tmp_path: Path) -> None:
    manifest = written(site, tmp_path / "one", snapshot=SNAPSHOT[::-1])
    with pytest.raises(LocalError, match="its snapshot has another digest"):
        backup.extract(tmp_path / "one", manifest, tmp_path / "snapshot")


@pytest.mark.parametrize("cut", [0, 10, 200, 400])
def test_a_file_that_ends_early_or_is_something_else_is_refused(site: Site, tmp_path: Path, cut: int) -> None:
    manifest = written(site, tmp_path / "one")
    (tmp_path / "cut").write_bytes((tmp_path / "one").read_bytes()[:cut])
    (tmp_path / "other").write_bytes(gzip.compress(b"no archive"))
    for file in (tmp_path / "cut", tmp_path / "other"):
        with pytest.raises(LocalError, match=r"damaged|cannot be read"):
            read_all(file, manifest, site, tmp_path / f"snapshot-{file.name}")


def read_all(file: Path, manifest: backup.Manifest, site: Site, to: Path) -> None:
    backup.read(file, site)
    backup.keys_for(file, manifest, site, None)
    backup.extract(file, manifest, to)


def test_after_a_rotation_a_backup_needs_the_keys_that_were_written_with_it(site: Site, tmp_path: Path) -> None:
    file = tmp_path / "one"
    manifest, old = written(site, file), encryption.keys(site.pki)
    with tarfile.open(backup.keys_file(file), "w:gz") as archive:
        archive.add(site.pki / encryption.FILE, f"pki/{encryption.FILE}")
    encryption.begin(site.pki)
    encryption.settle(site.pki)
    assert backup.keys_for(file, manifest, site, None) == old
    backup.keys_file(file).unlink()
    with pytest.raises(LocalError, match=r"no longer has.*--keys"):
        backup.keys_for(file, manifest, site, None)
    assert replace(manifest, revision=9).text() != manifest.text()

"""Backups of a site's etcd: one file with the snapshot, and one beside it with the keys that open it. Whoever has both has the site.

The snapshot is of one moment, taken while everything runs. Secrets and ConfigMaps in it are sealed with the site's encryption key, and the
manifest by a code that only that key makes, so a changed backup is refused. What lies on volumes (the departments' databases) is not in etcd.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import io
import json
import os
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

from commonweal_local.exceptions import LocalError
from commonweal_local.sites import encryption
from commonweal_local.sites.etcd import REGISTRY, Etcd, Unreachable
from commonweal_local.sites.site import Site

FORMAT = 1
MANIFEST, SNAPSHOT, SEAL, PKI = "manifest.json", "snapshot.db", "seal", "pki"
KEYS_SUFFIX = ".keys"
CHUNK = 1 << 20


@dataclass(frozen=True)
class Manifest:
    """What a backup says of itself. `taken` is RFC 3339; `key` names the encryption key that wrote; `sha256` is the snapshot's."""

    format: int
    site: str
    taken: str
    revision: int
    objects: int
    etcd: str
    key: str
    bytes: int
    sha256: str

    def text(self) -> str:
        """One text for one manifest, so that it can be sealed."""
        return json.dumps(asdict(self), sort_keys=True)


def keys_file(file: Path) -> Path:
    """Where the keys of a backup are put."""
    return file.with_name(file.name + KEYS_SUFFIX)


def take(site: Site, to: Path, now: dt.datetime) -> Manifest:
    """Write a backup of a running site and its keys, both readable by their owner only, whole or not at all. Raises LocalError."""
    _require_absent(to, keys_file(to))
    if not encryption.is_settled(site.pki):
        raise LocalError(
            f"Site {site.name!r} has values that its encryption key did not seal yet; a backup would hold them in clear text",
            f"`commonweal local rotate {site.name} --encryption` seals them; then repeat.",
        )
    try:
        with tempfile.TemporaryFile(dir=to.parent) as snapshot:
            manifest = _snapshot(site, snapshot, now)
            members = [(MANIFEST, manifest.text().encode()), (SEAL, _seal(manifest, encryption.keys(site.pki)[0]).encode())]
            with _archive(to) as archive:
                for name, content in members:
                    _add(archive, name, io.BytesIO(content), len(content))
                snapshot.seek(0)
                _add(archive, SNAPSHOT, snapshot, manifest.bytes)
    except Unreachable as error:
        raise LocalError(
            f"No backup of site {site.name!r} was made: {error}", "Nothing was written. Look at `commonweal local status`."
        ) from error
    with _archive(keys_file(to)) as archive:
        for file in sorted(site.pki.iterdir()):
            archive.add(file, f"{PKI}/{file.name}")
    return manifest


def read(file: Path, site: Site) -> Manifest:
    """The manifest of a backup of this site. Raises LocalError when the file is none, or another site's."""
    with _opened(file) as archive:
        manifest = Manifest(**json.loads(_member(archive, MANIFEST)))
    if manifest.site != site.name:
        raise LocalError(f"{file} is a backup of site {manifest.site!r}, not of {site.name!r}", "Give a backup of this site.")
    if manifest.format != FORMAT:
        raise LocalError(f"{file} has format {manifest.format}, and this program reads {FORMAT}", "Use the release that wrote it.")
    return manifest


def keys_for(file: Path, manifest: Manifest, site: Site, given: Path | None) -> list[bytes]:
    """The encryption keys that open a backup, the one that wrote it first: the site's own, else those of its keys file. Raises LocalError."""
    held = encryption.keys(site.pki) if (site.pki / encryption.FILE).exists() else []
    beside = given or keys_file(file)
    if manifest.key not in encryption.names(held):
        if not beside.exists():
            raise LocalError(
                f"{file} is sealed with {manifest.key}, which site {site.name!r} no longer has",
                f"Give the keys that were written with it: `--keys {beside}`.",
            )
        held = _keys_in(beside)
    opening = [key for key in held if encryption.names([key]) == [manifest.key]]
    if not opening or not hmac.compare_digest(_seal(manifest, opening[0]), _text_of(file, SEAL)):
        raise LocalError(f"{file} is not as it was written: its seal does not fit", "Use another backup; this one was changed.")
    return opening


def extract(file: Path, manifest: Manifest, to: Path) -> None:
    """Write the snapshot out; raises LocalError when it is not the one that the manifest was made for."""
    digest = hashlib.sha256()
    with _opened(file) as archive, to.open("xb") as output:
        source = archive.extractfile(SNAPSHOT)
        while source and (chunk := source.read(CHUNK)):
            digest.update(chunk)
            output.write(chunk)
    if digest.hexdigest() != manifest.sha256:
        raise LocalError(f"{file} is damaged: its snapshot has another digest than its manifest says", "Use another backup.")


def restore_pki(site: Site, keys: Path) -> None:
    """Put the site's certificates and keys back from a keys file; only for a site that has none."""
    site.pki.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _opened(keys) as archive:
        archive.extractall(site.directory, filter="data")


def _snapshot(site: Site, into: io.BufferedRandom, now: dt.datetime) -> Manifest:
    etcd = Etcd(site)
    before = etcd.status()
    objects = etcd.count(REGISTRY)
    size = etcd.snapshot(into)
    into.seek(0)
    digest = hashlib.file_digest(into, "sha256").hexdigest()
    taken = now.astimezone(dt.UTC).isoformat(timespec="seconds")
    key = encryption.readers(site.pki)[0]
    return Manifest(FORMAT, site.name, taken, int(before["header"]["revision"]), objects, str(before["version"]), key, size, digest)


def _seal(manifest: Manifest, key: bytes) -> str:
    own = hmac.digest(key, b"commonweal backup v1", "sha256")
    return hmac.new(own, manifest.text().encode(), "sha256").hexdigest()


def _keys_in(file: Path) -> list[bytes]:
    with tempfile.TemporaryDirectory() as scratch, _opened(file) as archive:
        archive.extract(f"{PKI}/{encryption.FILE}", scratch, filter="data")
        return encryption.keys(Path(scratch, PKI))


def _text_of(file: Path, name: str) -> str:
    with _opened(file) as archive:
        return _member(archive, name).decode()


def _member(archive: tarfile.TarFile, name: str) -> bytes:
    content = archive.extractfile(name)
    if content is None:
        raise KeyError(name)
    return content.read()


def _add(archive: tarfile.TarFile, name: str, content: BinaryIO, size: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = size, 0o600
    archive.addfile(entry, content)


def _require_absent(*files: Path) -> None:
    for file in files:
        if file.exists():
            raise LocalError(f"{file} is there already, and a backup is never written over another", "Give another name with --to.")


@contextmanager
def _opened(file: Path) -> Iterator[tarfile.TarFile]:
    """An archive to read from. Whatever is wrong with it, also half-way through, is a LocalError."""
    try:
        with tarfile.open(file) as archive:
            yield archive
    except (OSError, EOFError, zlib.error, tarfile.TarError, KeyError, TypeError, ValueError) as error:
        raise LocalError(
            f"{file} cannot be read ({error}): it is damaged, or another kind of file", "Give what `commonweal local backup` wrote."
        ) from error


@contextmanager
def _archive(to: Path) -> Iterator[tarfile.TarFile]:
    """A compressed archive that only its owner may read, there under its name once it is whole and on the disk."""
    draft = to.with_name(f"{to.name}.{os.getpid()}.new")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as output:
            with tarfile.open(fileobj=output, mode="w:gz", compresslevel=3) as archive:
                yield archive
            output.flush()
            os.fsync(output.fileno())
        draft.rename(to)
    finally:
        draft.unlink(missing_ok=True)

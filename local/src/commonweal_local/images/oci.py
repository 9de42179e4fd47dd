"""OCI image archives without any image tool: layers are reproducible tars, the archive is one more tar around them."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import platform
import re
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from commonweal_local.paths import write

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
# Level 1: importing is bound by writing, not by the ratio.
COMPRESSION = 1
BYTECODE = re.compile(r"(^|/)__pycache__(/|$)")
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
CONFIG = "application/vnd.oci.image.config.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


@dataclass(frozen=True)
class Entry:
    """One file, directory or symbolic link of a layer."""

    mode: int
    content: bytes = b""
    link: str | None = None
    is_directory: bool = False


class Tree:
    """The files of one layer, by path. Owner is root, time is 0, order is by name: equal files make equal bytes."""

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}

    def file(self, path: str, content: bytes, *, mode: int = 0o644) -> None:
        self._add(path, Entry(mode, content))

    def link(self, path: str, target: str) -> None:
        self._add(path, Entry(0o777, link=target))

    def directory(self, path: str, *, mode: int = 0o755) -> None:
        self._entries[path] = Entry(mode, is_directory=True)

    def add_directory_tree(self, source: Path, into: str, *, leave_out: re.Pattern[str] = BYTECODE) -> None:
        """Copy a directory of the host, without the paths (relative to it) in which the pattern is found."""
        for file in sorted(source.rglob("*")):
            relative = file.relative_to(source).as_posix()
            if leave_out.search(relative):
                continue
            if file.is_symlink():
                self.link(f"{into}/{relative}", str(file.readlink()))
            elif file.is_file():
                self.file(f"{into}/{relative}", file.read_bytes(), mode=0o755 if os.access(file, os.X_OK) else 0o644)

    def files(self) -> dict[str, bytes]:
        """Path -> content of the regular files."""
        return {path: entry.content for path, entry in self._entries.items() if entry.link is None and not entry.is_directory}

    def __contains__(self, path: object) -> bool:
        return path in self._entries

    def write(self, out: Path) -> Path:
        """Write the layer as a compressed tar, whole or not at all."""
        out.parent.mkdir(parents=True, exist_ok=True)
        beside(out).unlink(missing_ok=True)
        draft = out.with_name(f"{out.name}.{os.getpid()}.new")
        with (
            draft.open("wb") as file,
            # No name and no time in it: equal layers stay equal.
            gzip.GzipFile("", "wb", COMPRESSION, file, mtime=0) as packed,
            tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar,
        ):
            for path in sorted(self._entries):
                entry = self._entries[path]
                tar.addfile(_header(path, entry), io.BytesIO(entry.content) if entry.content else None)
        return draft.replace(out)

    def _add(self, path: str, entry: Entry) -> None:
        for parent in PurePosixPath(path).parents:
            if str(parent) != "." and str(parent) not in self._entries:
                self.directory(str(parent))
        self._entries[path] = entry


@dataclass(frozen=True)
class Config:
    """How containers of an image run."""

    environment: Mapping[str, str] = field(default_factory=dict)
    command: Sequence[str] = ()
    user: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)

    def document(self, diffs: Sequence[str]) -> bytes:
        """The image's configuration file."""
        running: dict[str, object] = {"Env": [f"{key}={value}" for key, value in self.environment.items()], "Cmd": list(self.command)}
        if self.user:
            running["User"] = self.user
        if self.labels:
            running["Labels"] = dict(self.labels)
        layers = {"type": "layers", "diff_ids": list(diffs)}
        machine = ARCHITECTURES.get(platform.machine(), platform.machine())
        return json.dumps({"architecture": machine, "os": "linux", "config": running, "rootfs": layers}, sort_keys=True).encode()


def beside(layer: Path) -> Path:
    """The file that holds the digest of a layer's content: to find it anew takes seconds for the layers of one image."""
    return layer.with_name(f"{layer.name}.content")


def digest_of(layers: Sequence[Path], config: Config) -> str:
    """SHA-256 (hex) of the image's configuration, which holds the digest of every layer: equal content, equal digest."""
    return hashlib.sha256(config.document([_content_digest(layer) for layer in layers])).hexdigest()


def write_archive(out: Path, name: str, layers: Sequence[Path], config: Config) -> Path:
    """Write an archive that `ctr images import` takes under exactly `name`."""
    document = config.document([_content_digest(layer) for layer in layers])
    blobs = {_file_digest(layer): layer for layer in layers}
    stored = [_descriptor(LAYER, digest, layer.stat().st_size) for digest, layer in blobs.items()]
    config_at = _descriptor(CONFIG, _digest(document), len(document))
    manifest = json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, "config": config_at, "layers": stored}).encode()
    names = {"io.containerd.image.name": name, "org.opencontainers.image.ref.name": name.rpartition(":")[2]}
    index = {"schemaVersion": 2, "manifests": [{**_descriptor(MANIFEST, _digest(manifest), len(manifest)), "annotations": names}]}
    out.parent.mkdir(parents=True, exist_ok=True)
    draft = out.with_name(f"{out.name}.{os.getpid()}.new")
    with tarfile.open(draft, "w") as tar:
        _add_bytes(tar, "oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
        _add_bytes(tar, "index.json", json.dumps(index).encode())
        for blob in (document, manifest):
            _add_bytes(tar, _blob(_digest(blob)), blob)
        for digest, layer in blobs.items():
            tar.add(layer, arcname=_blob(digest), filter=_neutral)
    return draft.replace(out)


def _header(path: str, entry: Entry) -> tarfile.TarInfo:
    info = _neutral(tarfile.TarInfo(path))
    info.mode, info.size = entry.mode, len(entry.content)
    if entry.is_directory:
        info.type = tarfile.DIRTYPE
    elif entry.link is not None:
        info.type, info.linkname = tarfile.SYMTYPE, entry.link
    return info


def _neutral(info: tarfile.TarInfo) -> tarfile.TarInfo:
    info.uid = info.gid = info.mtime = 0
    info.uname = info.gname = ""
    return info


def _blob(digest: str) -> str:
    return "blobs/" + digest.replace(":", "/")


def _digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def _file_digest(file: Path) -> str:
    with file.open("rb") as stream:
        return "sha256:" + hashlib.file_digest(stream, "sha256").hexdigest()


def _content_digest(layer: Path) -> str:
    """Of the tar inside: compressors differ between versions, content does not. Found once for each file that was written."""
    kept = beside(layer)
    if not kept.exists():
        with gzip.open(layer) as stream:
            write(kept, "sha256:" + hashlib.file_digest(stream, "sha256").hexdigest())
    return kept.read_text(encoding="utf-8")


def _descriptor(media: str, digest: str, size: int) -> dict[str, object]:
    return {"mediaType": media, "digest": digest, "size": size}


def _add_bytes(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    info = _neutral(tarfile.TarInfo(name))
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))

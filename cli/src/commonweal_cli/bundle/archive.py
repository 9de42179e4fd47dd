"""The archive: a tar file whose first member is the signed statement of every other one.

The same content gives the same bytes: members sorted, owners, times and modes fixed. Reading trusts nothing but the key: each member must be named in the
statement, lie below the directory, and have the digest that the statement gives.
"""

from __future__ import annotations

import hashlib
import io
import json
import posixpath
import tarfile
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from io import BufferedIOBase
from pathlib import Path
from typing import Any

from commonweal_local.exceptions import LocalError
from commonweal_stacks.conformity.statement import BUNDLE, subjects_of, verify
from commonweal_stacks.exceptions import StatementError

STATEMENT = "bundle.json"
LONGEST_STATEMENT = 32 * 2**20
CHUNK = 2**20
ANEW = "Get the archive again from who made it."
Told = Callable[[int], None]


@dataclass(frozen=True)
class Entry:
    """One file: where it lies in the archive, and where its content comes from."""

    name: str
    source: Path | bytes
    executable: bool = False

    def open(self) -> BufferedIOBase:
        return io.BytesIO(self.source) if isinstance(self.source, bytes) else self.source.open("rb")

    @property
    def size(self) -> int:
        return len(self.source) if isinstance(self.source, bytes) else self.source.stat().st_size


@dataclass(frozen=True)
class Contents:
    """All files, and the symbolic links (target by name), which point to files beside or below them."""

    entries: Sequence[Entry]
    links: Mapping[str, str] = field(default_factory=dict)

    @property
    def size(self) -> int:
        return sum(entry.size for entry in self.entries)


def digests(contents: Contents, told: Told) -> dict[str, str]:
    """Return the SHA-256 of each file by its name; `told` hears how many bytes have been read."""
    found, read = {}, 0
    for entry in contents.entries:
        with entry.open() as stream:
            found[entry.name] = hashlib.file_digest(stream, "sha256").hexdigest()
        read += entry.size
        told(read)
    return found


def write(file: Path, contents: Contents, envelope: Mapping[str, Any], *, modified: int, told: Told) -> None:
    """Write the archive whole or not at all; `modified` (seconds since 1970) is the time of every member.

    Raises LocalError for a file that is no longer what was signed.
    """
    statement = Entry(STATEMENT, (json.dumps(envelope, indent=1, sort_keys=True) + "\n").encode())
    signed = subjects_of(json.loads(b64decode(envelope["payload"])))
    draft, written = file.with_name(f"{file.name}.new"), 0
    file.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(draft, "w", format=tarfile.GNU_FORMAT) as tar:
        for entry in (statement, *sorted(contents.entries, key=lambda e: e.name)):
            with _Digesting(entry.open()) as stream:
                tar.addfile(_member(entry, modified), stream)
            if entry is not statement and stream.digest.hexdigest() != signed[entry.name]:
                raise LocalError(f"{entry.name} was changed while the archive was made", "Repeat it when no program writes to that file.")
            written += entry.size
            told(written)
        for name, target in sorted(contents.links.items()):
            link = tarfile.TarInfo(name)
            link.type, link.linkname, link.mtime, link.mode = tarfile.SYMTYPE, target, modified, 0o777
            tar.addfile(link)
    draft.replace(file)


class _Digesting(io.RawIOBase):
    """A stream that keeps the digest of what was read of it."""

    def __init__(self, stream: BufferedIOBase) -> None:
        self._stream, self.digest = stream, hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        found = self._stream.read(size)
        self.digest.update(found)
        return found

    def close(self) -> None:
        self._stream.close()
        super().close()


def _member(entry: Entry, modified: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(entry.name)
    member.size, member.mtime, member.mode = entry.size, modified, 0o755 if entry.executable else 0o644
    return member


def read(file: Path, keys: Sequence[bytes], *, into: Path | None, told: Told) -> dict[str, Any]:
    """Check the whole archive, write its files below `into` if that is given, and return the statement.

    Raises LocalError that names the first file that does not fit. What was written by then is not to be used.
    """
    try:
        with tarfile.open(file, "r:") as tar:
            members = iter(tar)
            statement = _statement(tar, next(members, None), keys, file)
            _Reading(tar, statement, into, told).all(members)
            return statement
    except (tarfile.TarError, OSError, EOFError) as error:
        raise LocalError(f"{file} cannot be read as an archive: {error}", ANEW) from error


def _statement(tar: tarfile.TarFile, first: tarfile.TarInfo | None, keys: Sequence[bytes], file: Path) -> dict[str, Any]:
    if first is None or first.name != STATEMENT or not first.isfile() or first.size > LONGEST_STATEMENT:
        raise LocalError(
            f"{file} does not begin with {STATEMENT}, so it is no bundle", "Give an archive that `commonweal bundle make` wrote."
        )
    stream = tar.extractfile(first)
    try:
        return verify(json.loads(stream.read() if stream else b""), keys, predicate_type=BUNDLE)
    except (StatementError, ValueError) as error:
        raise LocalError(f"{STATEMENT} in {file}: {error}", "Open no bundle whose signature does not fit.") from error


class _Reading:
    """One pass over the members."""

    def __init__(self, tar: tarfile.TarFile, statement: Mapping[str, Any], into: Path | None, told: Told) -> None:
        self._tar, self._into, self._told = tar, into, told
        self._files = subjects_of(statement)
        self._links: dict[str, str] = dict(statement["predicate"].get("links") or {})
        self._left, self._read = {*self._files, *self._links}, 0

    def all(self, members: Iterator[tarfile.TarInfo]) -> None:
        for member in members:
            self._one(member)
        if self._left:
            raise LocalError(f"{min(self._left)} is missing from the archive, and {len(self._left) - 1} more", ANEW)

    def _one(self, member: tarfile.TarInfo) -> None:
        name = member.name
        refuse_outside(name)
        if name not in self._left:
            twice = name in self._files or name in self._links
            raise LocalError(f"{name} {'stands twice in the archive' if twice else 'is not named in the signed statement'}", ANEW)
        self._left.discard(name)
        if name in self._links:
            self._link(member)
        elif not member.isfile():
            raise LocalError(f"{name} is no plain file in the archive", ANEW)
        else:
            self._file(member)

    def _link(self, member: tarfile.TarInfo) -> None:
        target = self._links[member.name]
        if not member.issym() or member.linkname != target:
            raise LocalError(f"{member.name} is not the link to {target} that the statement names", ANEW)
        refuse_outside(posixpath.normpath(posixpath.join(posixpath.dirname(member.name), target)), absolute=target)
        if self._into is not None:
            place = self._place(member.name)
            place.symlink_to(target)

    def _file(self, member: tarfile.TarInfo) -> None:
        stream = self._tar.extractfile(member)
        digest, out = hashlib.sha256(), None
        try:
            if self._into is not None:
                place = self._place(member.name)
                out = place.open("xb")
                place.chmod(0o755 if member.mode & 0o100 else 0o644)
            while stream is not None and (chunk := stream.read(CHUNK)):
                digest.update(chunk)
                if out is not None:
                    out.write(chunk)
        finally:
            if out is not None:
                out.close()
        if digest.hexdigest() != self._files[member.name]:
            raise LocalError(f"{member.name} has another SHA-256 than the signed statement says", ANEW)
        self._read += member.size
        self._told(self._read)

    def _place(self, name: str) -> Path:
        """Return where the file goes, which no link that was made before may lead out of the directory."""
        root = self._into or Path()
        place = root / name
        place.parent.mkdir(parents=True, exist_ok=True)
        if not place.parent.resolve().is_relative_to(root.resolve()):
            raise LocalError(f"{name} would be written outside the directory", ANEW)
        return place


def refuse_outside(name: str, *, absolute: str = "") -> None:
    """Raise LocalError for a name that leads out of the directory; `absolute` is a link's target, which may not be an absolute path."""
    if not name or absolute.startswith("/") or name.startswith("/") or ".." in name.split("/") or posixpath.normpath(name) != name:
        raise LocalError(f"{absolute or name} leads out of the directory", "Do not use this archive; nothing of it was put in place.")

"""The files of a volume that is mounted elsewhere: read over HTTP from the reader that the platform runs beside a department's claims.

Whoever can write to the volume can be that reader in effect, so nothing that it answers is more than a file of the department: it leads nowhere else, and
its length, its time and the number of its files are bounded here.
"""

from __future__ import annotations

import http.client
import io
import ssl
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

import pyarrow as pa
from pydantic import BaseModel, Field, ValidationError

from commonweal_api.reasons import Reason
from commonweal_runtime.certificates import inside, is_secured
from commonweal_runtime.exceptions import SourceReadError
from commonweal_runtime.store.sources.places import MOST_FILES, File

SECONDS = 60.0
LONGEST_LIST = 2 << 20
LONGEST_DETAIL = 500
BUFFER = 1 << 20
# What the reader may say of a volume; any other word of it is taken for a failure of the read.
_REASONS = {r.value: r for r in (Reason.VOLUME_MISSING, Reason.FILE_MISSING, Reason.LOCATION_REFUSED, Reason.CREDENTIALS_REFUSED)}


class _Listed(BaseModel):
    name: str = Field(min_length=1, max_length=1024)
    size: int = Field(ge=0, lt=1 << 50)
    changed: int = Field(ge=0)


class _List(BaseModel):
    files: list[_Listed] = Field(max_length=MOST_FILES)


class _Refusal(BaseModel):
    reason: str = Field(max_length=100)
    detail: str


def state_tag(size: int, changed: int) -> str:
    """Return the entity tag of a file as it was listed: another one means that it was written anew."""
    return f'"{changed:x}-{size:x}"'


def served(base: str, location: str, kind: str = "parquet") -> Served:
    """Return the place of `volume://claim/path`, with its files of a kind, at a reader's base URL."""
    return Served(base, location, kind)


class Served:
    """A location on a volume, at the reader that listens there, whose certificate is checked. Redirects are not followed."""

    def __init__(self, base: str, location: str, kind: str) -> None:
        self._base, self.where, self._kind = base, location, kind

    def files(self) -> list[File]:
        """Return the files; see `Place.files`."""
        body = self.ask("/files", {"kind": self._kind}, {}, LONGEST_LIST)
        try:
            return [File(f.name, f.size, f.changed) for f in _List.model_validate_json(body).files]
        except ValidationError:
            raise self._unusable() from None

    def open(self, file: File) -> pa.NativeFile:
        """Open one of them; see `Place.open`."""
        return pa.PythonFile(io.BufferedReader(_Ranges(self, file), BUFFER), mode="r")

    def failed(self, _: OSError) -> SourceReadError | None:
        """Return None: what the reader does not give is told where it is asked; see `Place.failed`."""
        return None

    def ask(self, path: str, query: Mapping[str, str], headers: Mapping[str, str], most: int) -> bytes:
        """Return the body of an answer of at most `most` bytes. Raises SourceReadError."""
        connection = self._connection()
        try:
            connection.request("GET", f"{path}?{urlencode({'location': self.where, **query})}", headers=dict(headers))
            answer = connection.getresponse()
            body = answer.read(most + 1)
        except ssl.SSLCertVerificationError:
            said = f"What answers for the reader of «{self.where}» has no certificate of this site's authority for that name; it was asked nothing."
            raise SourceReadError(Reason.SOURCE_UNREACHABLE, said) from None
        except (OSError, http.client.HTTPException):
            raise SourceReadError(Reason.SOURCE_UNREACHABLE, f"The reader of «{self.where}» does not answer.") from None
        finally:
            connection.close()
        if answer.status in {200, 206} and len(body) <= most:
            return body
        raise self._refused(answer.status, body)

    def _connection(self) -> http.client.HTTPConnection:
        host = urlsplit(self._base).netloc
        if not is_secured(self._base):
            raise SourceReadError(Reason.SOURCE_UNREACHABLE, f"COMMONWEAL_VOLUMES is {self._base}: give an https address.")
        if self._base.startswith("https:"):
            return http.client.HTTPSConnection(host, timeout=SECONDS, context=inside().context)
        return http.client.HTTPConnection(host, timeout=SECONDS)

    def _refused(self, status: int, body: bytes) -> SourceReadError:
        if status == 412:
            return SourceReadError(
                Reason.LOAD_FAILED, f"A file at «{self.where}» changed while it was read; it is read again from the beginning."
            )
        try:
            told = _Refusal.model_validate_json(body)
        except ValidationError:
            return self._unusable()
        reason = _REASONS.get(told.reason)
        if reason is None:
            return self._unusable()
        return SourceReadError(reason, "".join(c for c in told.detail if c.isprintable())[:LONGEST_DETAIL])

    def _unusable(self) -> SourceReadError:
        return SourceReadError(Reason.LOAD_FAILED, f"The reader of «{self.where}» gives no usable answer.")


class _Ranges(io.RawIOBase):
    """One file, asked for range by range; one that was written anew since it was listed is refused."""

    def __init__(self, place: Served, file: File) -> None:
        super().__init__()
        self._place, self._file, self._at = place, file, 0

    def readable(self) -> bool:
        """Return that it can be read."""
        return True

    def seekable(self) -> bool:
        """Return that it can be read from anywhere."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a place, as of any file."""
        self._at = max(0, {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._file.size}[whence] + offset)
        return self._at

    def tell(self) -> int:
        """Return the place."""
        return self._at

    def readinto(self, buffer: Any, /) -> int:
        """Read the next bytes; nothing at the end."""
        length = min(len(buffer), BUFFER, self._file.size - self._at)
        if length <= 0:
            return 0
        headers = {"Range": f"bytes={self._at}-{self._at + length - 1}", "If-Match": state_tag(self._file.size, self._file.changed)}
        data = self._place.ask("/content", {"name": self._file.name}, headers, length)
        if not data:
            raise SourceReadError(Reason.LOAD_FAILED, f"«{self._place.where}»: {self._file.name} ends too soon.")
        memoryview(buffer).cast("B")[: len(data)] = data
        self._at += len(data)
        return len(data)

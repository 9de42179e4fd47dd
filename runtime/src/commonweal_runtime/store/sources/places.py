"""Where files lie: on a volume that is mounted here, or on object storage that speaks S3. Read only."""

from __future__ import annotations

import hashlib
import os
import re
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol, TypeVar
from urllib.parse import urlsplit

import pyarrow as pa
from pyarrow import fs

from commonweal_api.data_files import FileSource
from commonweal_api.reasons import Reason
from commonweal_runtime.exceptions import SourceReadError
from commonweal_runtime.store.sources.contract import Credentials

VOLUME = "volume://"
VOLUMES = "/var/lib/commonweal/volumes"
MOST_FILES = 1000
SUFFIXES = {
    "parquet": (".parquet",),
    "csv": (".csv", ".csv.gz", ".csv.zst"),
    "excel": (".xlsx", ".xlsm"),
}  # what the names of files of each kind end in
_LONGEST_NAME = 300
_CONNECT_SECONDS, _REQUEST_SECONDS = 5.0, 60.0
_Result = TypeVar("_Result")
_CODE = re.compile(r"AWS Error ([A-Z_0-9]+)")
_REFUSED = {"ACCESS_DENIED", "INVALID_ACCESS_KEY_ID", "SIGNATURE_DOES_NOT_MATCH", "INVALID_CLIENT_TOKEN_ID", "UNRECOGNIZED_CLIENT"}


@dataclass(frozen=True, slots=True, order=True)
class File:
    """One file: its name below the location, its size in bytes, and when it was changed (nanoseconds)."""

    name: str
    size: int
    changed: int


def shown(name: str) -> str:
    """Return a file's name as a message may show it."""
    return "".join(c if c.isprintable() else "?" for c in name[:_LONGEST_NAME])


class Place(Protocol):
    """Somewhere with files. Everything here blocks; whatever goes wrong is a SourceReadError."""

    def files(self) -> list[File]:
        """Return the files of the kind, in the order of their names."""
        ...

    def open(self, file: File) -> pa.NativeFile:
        """Open one of them for reading."""
        ...

    def failed(self, error: OSError) -> SourceReadError | None:
        """Return what an error while a file is read means if the place is to blame; None where it is the file."""
        ...


def mounted(location: str, kind: str = "parquet") -> Volume:
    """Return the place of `volume://claim/path`, with its files of a kind, among the volumes that are mounted here."""
    claim, _, path = location.removeprefix(VOLUME).partition("/")
    return Volume(Path(os.environ.get("COMMONWEAL_VOLUMES_DIR", VOLUMES)), claim, path, kind)


def state_of(files: Sequence[File]) -> str:
    """Return a digest that changes when a file comes, goes, or is written anew."""
    return hashlib.sha256(repr([(f.name, f.size, f.changed) for f in files]).encode()).hexdigest()


def _chosen(files: list[File], where: str, kind: str) -> list[File]:
    """Return the data among files: names that end as those of the kind do, but for what writers keep for themselves."""
    data = sorted(f for f in files if f.name.endswith(SUFFIXES[kind]) and not any(map(_kept, f.name.split("/"))))
    if not data:
        raise SourceReadError(Reason.FILE_MISSING, f"No file whose name ends in {' or '.join(SUFFIXES[kind])} lies at «{where}».")
    if len(data) > MOST_FILES:
        raise SourceReadError(
            Reason.LOAD_FAILED, f"«{where}» holds {len(data)} files, and at most {MOST_FILES} are read; write larger ones."
        )
    return data


def _kept(part: str) -> bool:
    """Return whether a part of a path is a writer's own: it begins with a dot or underline, and is no value of a column, `_year=2024`."""
    return part.startswith(".") or (part.startswith("_") and "=" not in part)


class Volume:
    """A path of a claim's volume. Nothing outside the volume is opened, whatever the path or a symbolic link in it says."""

    def __init__(self, volumes: Path, claim: str, path: str, kind: str = "parquet") -> None:
        self.where = f"volume://{claim}/{path}"
        if claim in {"", ".", ".."} or any(part in {"..", "."} for part in path.split("/")) or "\x00" in path:
            raise SourceReadError(Reason.LOCATION_REFUSED, f"«{self.where}» leads out of its volume.")
        self._root, self._path, self._kind = volumes / claim, path, kind

    def files(self) -> list[File]:
        """Return the files; see `Place.files`."""
        if not self._root.is_dir():
            raise SourceReadError(Reason.VOLUME_MISSING, f"The claim «{self._root.name}» is not mounted beside the department's sources.")
        start = self._inside(self._root / self._path)
        if start.is_file():
            return [self._file(start, start.name)]
        found = []
        for directory, folders, names in os.walk(start, onerror=self._unlisted):
            folders.sort()
            found += [Path(directory, name) for name in names if name.endswith(SUFFIXES[self._kind])]
        return _chosen([self._file(self._inside(p), p.relative_to(start).as_posix()) for p in found], self.where, self._kind)

    def open(self, file: File) -> pa.NativeFile:
        """Open a file; see `Place.open`."""
        return pa.PythonFile(self.stream(file.name), mode="r")

    def stream(self, name: str) -> BinaryIO:
        """Open a file by its name below the location. What was really opened is looked at, so nothing can be put in its place meanwhile."""
        start = self._inside(self._root / self._path)
        try:
            stream = (start if start.is_file() else start / name).open("rb")
        except OSError as error:
            detail = f"«{self.where}»: {shown(name)} was listed and cannot be opened: {error.strerror}."
            raise SourceReadError(Reason.FILE_MISSING, detail) from None
        if not Path(f"/proc/self/fd/{stream.fileno()}").readlink().is_relative_to(self._root.resolve()):
            stream.close()
            raise self._outside()
        return stream

    def _inside(self, path: Path) -> Path:
        try:
            real = path.resolve(strict=True)
        except (OSError, RuntimeError):
            raise SourceReadError(Reason.FILE_MISSING, f"There is nothing at «{self.where}».") from None
        if not real.is_relative_to(self._root.resolve()):
            raise self._outside()
        return real

    def _outside(self) -> SourceReadError:
        return SourceReadError(Reason.LOCATION_REFUSED, f"A symbolic link at «{self.where}» leads out of its volume.")

    def _unlisted(self, error: OSError) -> None:
        folder = shown(os.path.relpath(error.filename or self._root, self._root))
        detail = f"«{self.where}»: the folder {folder} of the volume cannot be listed: {error.strerror}. Let the reader of volumes read it."
        raise SourceReadError(Reason.CREDENTIALS_REFUSED, detail)

    def failed(self, error: OSError) -> SourceReadError | None:
        """Return what the volume did not give; see `Place.failed`. What Arrow finds wrong with a file has no number."""
        if error.errno is None:
            return None
        return SourceReadError(Reason.LOAD_FAILED, f"«{self.where}»: the volume broke off: {error.strerror}.")

    @staticmethod
    def _file(path: Path, name: str) -> File:
        state = path.stat()
        return File(name, state.st_size, state.st_mtime_ns)


class Bucket:
    """A prefix of a bucket."""

    def __init__(self, source: FileSource, path: str, credentials: Credentials) -> None:
        address = urlsplit(source.endpoint or "")
        self.where, self._path, self._user, self._kind = source.location, path, credentials.username, source.kind
        self._one = False
        self._host = address.netloc
        self._fs = fs.S3FileSystem(
            access_key=credentials.username,
            secret_key=credentials.password,
            region=source.region or "us-east-1",
            scheme=address.scheme,
            endpoint_override=self._host + address.path.rstrip("/"),
            connect_timeout=_CONNECT_SECONDS,
            request_timeout=_REQUEST_SECONDS,
            retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=2),
            tls_ca_file_path=ssl.get_default_verify_paths().cafile,
        )

    def files(self) -> list[File]:
        """Return the objects; see `Place.files`."""
        return self._do(self._files)

    def _files(self) -> list[File]:
        one = self._fs.get_file_info(self._path)
        self._one = one.type is fs.FileType.File
        if self._one:
            return [_object(one, one.base_name)]
        found = self._fs.get_file_info(fs.FileSelector(self._path, recursive=True))
        return _chosen(
            [_object(i, i.path.removeprefix(self._path + "/")) for i in found if i.type is fs.FileType.File], self.where, self._kind
        )

    def open(self, file: File) -> pa.NativeFile:
        """Open an object; see `Place.open`."""
        path = self._path if self._one else f"{self._path}/{file.name}"
        return self._do(lambda: self._fs.open_input_file(path))

    def _do(self, work: Callable[[], _Result]) -> _Result:
        try:
            return work()
        except FileNotFoundError:
            raise SourceReadError(Reason.FILE_MISSING, f"There is nothing at «{self.where}» on {self._host}.") from None
        except OSError as error:
            raise self._refused(error) from None

    def failed(self, error: OSError) -> SourceReadError | None:
        """Return what the object storage did not give; see `Place.failed`."""
        return self._refused(error) if _CODE.search(str(error)) else None

    def _refused(self, error: OSError) -> SourceReadError:
        """Return what an error of the object storage means. Its own text is not passed on."""
        found = _CODE.search(str(error))
        code = found[1] if found else ""
        if code in _REFUSED or "HTTP status 403" in str(error):
            return SourceReadError(Reason.CREDENTIALS_REFUSED, f"{self._host} refuses the access key «{self._user}» for «{self.where}».")
        if code == "NO_SUCH_BUCKET":
            return SourceReadError(Reason.BUCKET_MISSING, f"{self._host} has no bucket «{self._path.partition('/')[0]}».")
        return SourceReadError(Reason.SOURCE_UNREACHABLE, f"{self._host} does not answer{code and f' ({code})'}.")


def _object(info: fs.FileInfo, name: str) -> File:
    return File(name, info.size, info.mtime_ns or 0)

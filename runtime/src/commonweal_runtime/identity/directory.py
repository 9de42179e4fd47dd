"""The departments of this site, as the operator wrote them down for everybody: names, contacts, data APIs, and the keys by which their signatures are checked."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from commonweal_runtime.seal_key import KeyRing

log = logging.getLogger(__name__)
_NO_KEYS = KeyRing([])
_State = tuple[int, int, int]


class Text(NamedTuple):
    """The directory as it is handed out."""

    body: bytes
    etag: str


class Directory:
    """The file of the directory, read again whenever it is another one. What cannot be read leaves what was there before; without any, no department is known."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._seen: _State | None = None
        self._text: Text | None = None
        self._rings: Mapping[str, KeyRing] = {}

    def text(self) -> Text | None:
        """Return the directory, or None while there is none."""
        self._refresh()
        return self._text

    def ring(self, department: str) -> KeyRing:
        """Return the keys of a department's data API; none of a department that is not listed. Who may sign agreements may not say who a person is."""
        self._refresh()
        return self._rings.get(department, _NO_KEYS)

    def awaits_keys(self, department: str) -> bool:
        """Whether a department is listed whose data API's keys have not come yet, as in its first minute."""
        self._refresh()
        return department in self._rings and not len(self._rings[department])

    def _refresh(self) -> None:
        status = self._file.stat() if self._file.exists() else None
        seen = None if status is None else (status.st_ino, status.st_mtime_ns, status.st_size)
        if seen is None or seen == self._seen:
            return
        self._seen = seen
        try:
            body = self._file.read_bytes()
            rings = {entry["name"]: _ring(entry.get("keys", [])) for entry in json.loads(body)["departments"]}
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.warning("%s cannot be read (%s); the directory from before stays", self._file.name, type(error).__name__)
            return
        self._rings, self._text = rings, Text(body, f'"{hashlib.sha256(body).hexdigest()[:32]}"')


def _ring(listed: list[Any]) -> KeyRing:
    """Return the keys that can be used. One of one department that cannot costs no other department anything."""
    return KeyRing(key for key in listed if isinstance(key, dict))

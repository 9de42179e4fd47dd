"""The ids of those who may sign in, as the operator made them: by department or application, and source key."""

from __future__ import annotations

from pathlib import Path

from pydantic import TypeAdapter

from commonweal_runtime.exceptions import AuthorizationError

_FILE = TypeAdapter(dict[str, dict[str, str]])


class Subjects:
    """The file of the ids, read again whenever it is another one, so that a mounted Secret takes effect when it changes. Without it nobody is known."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._seen: tuple[int, int] | None = None
        self._ids: dict[str, dict[str, str]] = {}

    def find(self, sector: str, root: str) -> str | None:
        """Return the id by which a department or an application knows a person, or None while the operator has not made it."""
        return self._now().get(sector, {}).get(root)

    def departments(self) -> list[str]:
        """Return the departments to which people can be named."""
        return [sector for sector in self._now() if ":" not in sector]

    def expect(self, sector: str) -> None:
        """Raise AuthorizationError unless people can be named to this department or application."""
        if sector not in self._now():
            text = f"no person can be named to {sector} here: it has no department on this site, or a new one; try again in two minutes"
            raise AuthorizationError("temporarily_unavailable", text)

    def named(self, sector: str, root: str) -> str:
        """Return the same id; raise AuthorizationError when there is none."""
        found = self.find(sector, root)
        if found is None:
            raise AuthorizationError("temporarily_unavailable", f"this person has no id for {sector} yet; try again in two minutes")
        return found

    def _now(self) -> dict[str, dict[str, str]]:
        found = self._file.stat() if self._file.exists() else None
        seen = None if found is None else (found.st_ino, found.st_mtime_ns)
        if seen != self._seen:
            self._ids = {} if found is None else _FILE.validate_json(self._file.read_bytes())
            self._seen = seen
        return self._ids

"""Every exception of this package: when it is raised, and who turns it into what. None is defined elsewhere."""

from __future__ import annotations

from typing import Any


class ApiError(Exception):
    """The API server refused. `reason` is its word (NotFound, Conflict, Invalid, ...); `pause` the seconds it asks to wait, if any.

    Raised by every call. The engine makes a condition of it, or tries again; a command says what was refused and ends.
    """

    def __init__(self, status: int, body: dict[str, Any], pause: float | None = None) -> None:
        self.status, self.reason, self.message = status, str(body.get("reason", "")), str(body.get("message", ""))
        self.causes = {cause.get("reason") for cause in (body.get("details") or {}).get("causes") or ()}
        self.pause = pause
        super().__init__(f"{status} {self.reason}: {self.message}")

    @property
    def terminating(self) -> bool:
        """Whether the namespace is being deleted: final, asking again cannot help."""
        return "NamespaceTerminating" in self.causes or (self.status == 403 and "being terminated" in self.message)


class ApiServerUnavailableError(Exception):
    """The API server did not answer; whether a write was done is unknown. Raised by every call; controllers ask again after a pause."""


class ResourceExpiredError(Exception):
    """The version to watch from, or the page token, is too old (410 Gone). Raised by list and watch; the informer lists again."""


class ClusterLoginError(Exception):
    """There is no usable login; the message names what is missing and the remedy. Raised at a program's start, which prints it and ends."""


class AnswerTooLargeError(Exception):
    """The API server's answer is larger than the caller takes at once. Raised by a bounded call; a list asks again for fewer objects a page."""

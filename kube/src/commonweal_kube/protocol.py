"""What is the same however an API server is spoken to: the forms it takes and gives, and what it may answer instead."""

from __future__ import annotations

from typing import Any

JSON = "application/json"
METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
APPLY = "application/apply-patch+yaml"  # JSON is valid YAML, and the server parses it faster than YAML proper
MERGE = "application/merge-patch+json"


class ApiError(Exception):
    """The API server refused. `reason` is its word (NotFound, Conflict, Invalid, ...); `pause` the seconds it asks to wait, if any."""

    def __init__(self, status: int, body: dict[str, Any], pause: float | None = None) -> None:
        self.status, self.reason, self.message = status, str(body.get("reason", "")), str(body.get("message", ""))
        self.causes = {cause.get("reason") for cause in (body.get("details") or {}).get("causes") or ()}
        self.pause = pause
        super().__init__(f"{status} {self.reason}: {self.message}")

    @property
    def terminating(self) -> bool:
        """Whether the namespace is being deleted: final, asking again cannot help."""
        return "NamespaceTerminating" in self.causes or (self.status == 403 and "being terminated" in self.message)


class Unavailable(Exception):  # noqa: N818 - a state, not a mistake
    """The API server did not answer; whether a write was done is unknown."""


class Gone(Exception):  # noqa: N818 - as above
    """The version to watch from, or the page token, is too old: list again."""

"""Every exception of this package: when it is raised, and who turns it into what. None is defined elsewhere."""

from __future__ import annotations

from commonweal_local.exceptions import LocalError


class KubectlError(LocalError):
    """kubectl failed, or a wait ran out; the message has its words. Every command prints it and ends."""


class KubectlForbiddenError(KubectlError):
    """The API server refused for want of rights. Every command prints it and ends; `agreement sign` says how to hand the signature over."""


class KubectlConflictError(KubectlError):
    """Somebody else has changed the object since it was read. The command reads it again, or prints it and ends."""


class MoveRefusedError(LocalError):
    """The move may not begin, or not go on; nothing was changed by saying so. `commonweal move` prints it and ends."""


class HeritageError(RuntimeError):
    """The demonstration's heritage machine cannot be had; the text says what to do. `commonweal demo` prints it and ends."""


class UnansweredError(RuntimeError):
    """A question (lint, score, conform) could not be asked: a site or a file cannot be read. The command prints it and ends with 2, for 1 is the answer "no"."""

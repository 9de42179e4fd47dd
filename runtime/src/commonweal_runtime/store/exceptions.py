"""Why the store leaves something of a plan undone. `failures` says which reason each becomes in a report."""

from __future__ import annotations

from commonweal_api.reasons import Reason


class ReasonedError(Exception):
    """Knows its registered reason and the detail of its message."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason, self.detail = reason, detail


class ClosedError(ReasonedError):
    """Why an agreement stays closed."""


class SourceError(ReasonedError):
    """Why a source cannot be read; the detail is without the source's own text."""


class RefusedError(ValueError):
    """An entry of the plan that the store must not carry out; the text says which field and what to do."""


class MappingInvalidError(RefusedError):
    """An expression, mask or semantic that the store does not carry out; the text names the field, the construct and the remedy."""


class BusyError(Exception):
    """A load is changing the product's table; the plan is carried out again right after it."""


class ChangedError(Exception):
    """The product was changed while its source was being read; the load begins again with the new shape."""

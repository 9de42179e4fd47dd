"""The one map from what went wrong to the reason that a report gives for it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto
from types import MappingProxyType

import asyncpg

from commonweal_api.reasons import Reason
from commonweal_runtime.exceptions import MappingInvalidError, PlanRefusedError, ReasonedError, TableBusyError
from commonweal_runtime.store.words import told


class Work(Enum):
    """What was being done for a plan."""

    PRODUCT = auto()
    AGREEMENT = auto()
    LOAD = auto()
    MODEL = auto()


# What a failure is where nothing more is known of it.
_FAILED: Mapping[Work, Reason] = MappingProxyType({
    Work.PRODUCT: Reason.STORE_REFUSED,
    Work.AGREEMENT: Reason.STORE_REFUSED,
    Work.LOAD: Reason.LOAD_FAILED,
    Work.MODEL: Reason.RUNTIME_REFUSED,
})  # fmt: skip
# A load that is in the way is no failure: the plan is carried out again right after it.
_BUSY: Mapping[Work, tuple[Reason, str]] = MappingProxyType({
    Work.PRODUCT: (Reason.LOAD_PENDING, "A load of the product as it was is under way."),
    Work.AGREEMENT: (Reason.PRODUCT_NOT_READY, "The product is being loaded; the agreement opens right after."),
})  # fmt: skip
# Errors whose text speaks of the plan and of nothing else. While a source is read, no text is safe.
_SAID: Mapping[Work, type[Exception]] = MappingProxyType(
    {Work.PRODUCT: PlanRefusedError, Work.AGREEMENT: PlanRefusedError, Work.MODEL: ValueError}
)


def failure_of(error: Exception, work: Work) -> tuple[Reason, str]:
    """Return the reason and the detail of its message. The detail holds no text of PostgreSQL or of a source, which can hold data."""
    if isinstance(error, ReasonedError):
        return error.reason, error.detail
    if work in _BUSY and isinstance(error, (TableBusyError, asyncpg.LockNotAvailableError)):
        return _BUSY[work]
    if work in _SAID and isinstance(error, _SAID[work]):
        invalid = work is Work.PRODUCT and isinstance(error, MappingInvalidError)
        return Reason.MAPPING_INVALID if invalid else _FAILED[work], str(error)
    return _FAILED[work], told(error)

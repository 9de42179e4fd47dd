"""The stable reasons of conditions: what each says, where it stands, and what to do.

A reason once published keeps its meaning; scripts and dashboards match on it. Operator, keeper and model runtime write no reason that is not
here, and `docs/reference/reasons.md` is made from this table. `Ready` is True with `AllReady`; otherwise it carries status, reason and message of the
first condition that is False, or if none is, of the first that is Unknown, so that one column answers «why does it not work?».
"""

from __future__ import annotations

from commonweal_api.reasons.agreements import AGREEMENTS
from commonweal_api.reasons.models import MODELS
from commonweal_api.reasons.names import CONDITIONS_OF, ConditionType, Entry, Reason
from commonweal_api.reasons.platform import PLATFORM
from commonweal_api.reasons.products import PRODUCTS

__all__ = ["CONDITIONS_OF", "REASONS", "ConditionType", "Entry", "Reason", "entry_of"]

REASONS: dict[Reason, Entry] = PLATFORM | PRODUCTS | AGREEMENTS | MODELS


def entry_of(reason: str) -> Entry:
    """Return what a reason means; KeyError names a reason that is not registered."""
    try:
        return REASONS[Reason(reason)]
    except ValueError:
        raise KeyError(f"{reason}: not a registered reason; add it to commonweal_api.reasons") from None

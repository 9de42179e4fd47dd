"""Status: compared without its times, written by one merge patch, and only when it differs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

Status = Mapping[str, Any]


def same(old: Status, new: Status) -> bool:
    """Return whether both say the same, whenever they began to say it."""
    return _timeless(old) == _timeless(new)


def stamped(old: Status, new: Status, now: datetime) -> dict[str, Any]:
    """Return the merge patch from `old` to `new`: a condition keeps its transition time while its status stays, and what is gone becomes null."""
    since = {c["type"]: c["lastTransitionTime"] for c in old.get("conditions") or () if "lastTransitionTime" in c}
    held = {c["type"]: c["status"] for c in old.get("conditions") or ()}
    moment = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    conditions = [
        c | {"lastTransitionTime": since.get(c["type"], moment) if held.get(c["type"]) == c["status"] else moment}
        for c in new.get("conditions") or ()
    ]
    return {key: None for key in old if key not in new} | dict(new) | {"conditions": conditions}


def _timeless(status: Status) -> dict[str, Any]:
    conditions: Sequence[Mapping[str, Any]] = status.get("conditions") or ()
    plain = sorted(({k: v for k, v in c.items() if k != "lastTransitionTime"} for c in conditions), key=lambda c: str(c["type"]))
    return {k: v for k, v in status.items() if k != "conditions" and v is not None} | {"conditions": plain}

"""Exemptions: written on the object by the platform team, each for one rule, with an end and a reason.

    commonweal.dev/lock-in-exempt: "cloud-images until 2027-01-31: mirrored when the contract ends; storage-class until 2026-12-24: disks are copied at night"

CEL has no clock. What it has is the API server's own note on the object of when it was last changed (`metadata.creationTimestamp`, the latest
`metadata.managedFields[].time`), which for a write that changes anything is now. So an exemption that has ended is refused at the object's next change,
and not before: until then the score and the Department's condition tell. Nobody can make that note earlier than the last change.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

ANNOTATION = "commonweal.dev/lock-in-exempt"
# An exemption without an end in sight would be no exemption: at every change its end lies at most so far ahead.
LONGEST_DAYS = 366
DAY = "[12][0-9]{3}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
REASON = ".{10,200}"


@dataclass(frozen=True)
class Exemption:
    """One entry of the annotation. `until` is the last day, YYYY-MM-DD."""

    rule: str
    until: str
    reason: str

    def holds(self, today: date) -> bool:
        """Return whether it covers a change made today: it has not ended, and does not end too far ahead. Days are compared as texts, as CEL does."""
        return today.isoformat() <= self.until <= (today + timedelta(days=LONGEST_DAYS)).isoformat()

    def days_left(self, today: date) -> int:
        """Return the days until its last day; negative once it has ended."""
        year, month, day = (int(part) for part in self.until.split("-"))
        first = date(year, month, 1)
        return (first - today).days + day - 1


def exemption(annotations: Mapping[str, Any], rule: str, today: date) -> Exemption | None:
    """Return the exemption from a rule: one that holds, else one that has ended or reaches too far, else None."""
    text = annotations.get(ANNOTATION)
    entries = [entry.strip() for entry in text.split(";")] if isinstance(text, str) else []
    found = [parsed for entry in entries if (parsed := _parsed(entry, rule)) is not None]
    return next((e for e in found if e.holds(today)), found[0] if found else None)


def _parsed(entry: str, rule: str) -> Exemption | None:
    match = re.fullmatch(rf"{re.escape(rule)} until ({DAY}): ({REASON})", entry)
    return Exemption(rule, match[1], match[4]) if match else None

"""The score of a department: 100 when nothing binds it, less for each way of being bound.

The first object that a rule finds costs the rule's weight, the second half of that, and so on: the same change made again is easier, so a rule costs at
most twice its weight. Objects that nothing is found in do not count, so that a score cannot be raised by adding more of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from math import floor
from typing import Any

from commonweal_api.lockin.findings import Finding


@dataclass(frozen=True)
class Score:
    """`score` counts what no exemption covers today; `without_exemptions` counts everything. Both 0 to 100, and 100 only without a finding."""

    score: int
    without_exemptions: int
    open: tuple[Finding, ...]
    exempt: tuple[Finding, ...]
    ended: tuple[Finding, ...]
    objects: int

    def document(self, today: date) -> dict[str, Any]:
        """Return it for JSON."""
        return {
            "score": self.score,
            "withoutExemptions": self.without_exemptions,
            "objects": self.objects,
            "findings": [_document(f, today) for f in self.open],
            "exempt": [_document(f, today) for f in self.exempt],
        }


def score(findings: Sequence[Finding], *, objects: int, today: date) -> Score:
    """Return the score of a department from all its findings; `objects` is how many were looked at. `ended` are those of `open` with an ended exemption."""
    exempt = tuple(f for f in findings if f.exempt(today))
    counted = tuple(f for f in findings if not f.exempt(today))
    ended = tuple(f for f in counted if f.exemption is not None)
    return Score(points(counted), points(findings), counted, exempt, ended, objects)


def points(findings: Iterable[Finding]) -> int:
    """Return 100 less what the findings cost, rounded down, at least 0."""
    times = Counter((f.rule.id, f.rule.weight) for f in findings)
    cost = sum((weight * (2 - Fraction(1, 2 ** (count - 1))) for (_, weight), count in times.items()), Fraction(0))
    return max(0, floor(100 - cost))


def _document(finding: Finding, today: date) -> dict[str, Any]:
    named = finding.object
    found = {
        "rule": finding.rule.id,
        "weight": finding.rule.weight,
        "action": finding.rule.action,
        "object": {"kind": named.kind, "namespace": named.namespace, "name": named.name},
        "values": list(finding.values),
        "remedy": finding.rule.remedy,
    }
    if finding.exemption is not None:
        exemption = finding.exemption
        found["exemption"] = {"until": exemption.until, "daysLeft": exemption.days_left(today), "reason": exemption.reason}
    return found

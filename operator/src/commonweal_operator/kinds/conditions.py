"""Conditions: each check gives a reason and a detail; status, sentence and remedy come from the register of reasons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from commonweal_api.reasons import CONDITIONS_OF, ConditionType, Reason, entry_of

LONGEST = 2048
NAMED = 10  # of what a condition lists
# Told beside Ready: says what people of the department owe, and nothing of whether it works.
BESIDE = frozenset({ConditionType.COMPLAINTS_ANSWERED})


class Finding(NamedTuple):
    """What one check found: the condition's type, the reason, and what is particular to this object."""

    type: ConditionType
    reason: Reason
    detail: str = ""

    @property
    def holds(self) -> bool:
        """Whether the condition is True."""
        return entry_of(self.reason).status == "True"


def conditions(findings: Sequence[Finding], generation: int) -> list[dict[str, Any]]:
    """Return the conditions with `Ready` last, without times; Ready carries the first that is False, else the first that is Unknown."""
    amiss = [f for f in findings if not f.holds and f.type not in BESIDE]
    first = next((f for f in amiss if entry_of(f.reason).status == "False"), amiss[0] if amiss else None)
    ready = Finding(ConditionType.READY, Reason.ALL_READY) if first is None else first._replace(type=ConditionType.READY)
    return [_condition(finding, generation) for finding in (*findings, ready)]


def all_of(kind: str, reason: Reason, detail: str) -> list[Finding]:
    """Return the same finding for every condition of a kind."""
    return [Finding(t, reason, detail) for t in CONDITIONS_OF[kind] if t is not ConditionType.READY]


def named(things: Sequence[str], separator: str) -> str:
    """Return the first of them, and how many there are besides."""
    more = f" and {len(things) - NAMED} more" if len(things) > NAMED else ""
    return separator.join(things[:NAMED]) + more


def status_of(status: Mapping[str, Any], type_: ConditionType, generation: int) -> bool:
    """Return whether a stored status says True for that condition and this generation."""
    return any(
        c.get("type") == type_ and c.get("status") == "True" and c.get("observedGeneration") == generation
        for c in status.get("conditions") or ()
    )


def _condition(finding: Finding, generation: int) -> dict[str, Any]:
    entry = entry_of(finding.reason)
    return {
        "type": str(finding.type),
        "status": entry.status,
        "reason": str(finding.reason),
        "message": entry.text(finding.detail)[:LONGEST],
        "observedGeneration": generation,
    }

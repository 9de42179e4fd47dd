"""DataProduct: is its source read, and is it served?"""

from __future__ import annotations

from typing import Any

from commonweal_api.plan import Outcome
from commonweal_api.reasons import ConditionType, Reason, entry_of

from commonweal_operator.engine.objects import Record
from commonweal_operator.kinds.conditions import Finding, conditions
from commonweal_operator.kinds.world import World

_C, _R = ConditionType, Reason
# In the order of causes: what each says when it holds, and while nothing is known.
_STEPS = (
    (_C.SOURCE_REACHABLE, _R.SOURCE_REACHABLE, _R.STORE_PENDING),
    (_C.LOADED, _R.LOADED, _R.LOAD_PENDING),
    (_C.SERVING, _R.SERVING, _R.STORE_PENDING),
)


def status(record: Record, world: World) -> dict[str, Any]:
    """Return the status without times."""
    report = world.store_report(record.key.tenant)
    outcome = report.products.get(record.key.name) if report is not None else None
    mine = outcome if outcome is not None and outcome.uid == record.uid else None
    current = mine if mine is not None and mine.generation == record.generation else None
    found = {
        "observedGeneration": record.generation,
        "conditions": conditions(_findings(current), record.generation),
        "endpoint": f"{world.base_url('data-api', record.key.tenant)}/v1/{record.key.name}",
        "contract": mine.contract if mine is not None else record.status.get("contract"),
    }
    return {k: v for k, v in found.items() if v is not None}


def _findings(outcome: Outcome | None) -> list[Finding]:
    """Return one finding per step: those before the one that the outcome's reason belongs to hold, those after it wait."""
    if outcome is not None and outcome.ready:
        return [Finding(t, yes) for t, yes, _ in _STEPS]
    reason, detail = (_R.STORE_PENDING, "") if outcome is None else (_known(outcome.reason), outcome.message)
    failing = next((t for t, _, _ in _STEPS if t in entry_of(reason).types), _C.SERVING)
    if reason is _R.STORE_PENDING:
        failing = _C.SOURCE_REACHABLE
    findings: list[Finding] = []
    passed = False
    for type_, yes, waiting in _STEPS:
        if type_ is failing:
            passed = True
            findings.append(Finding(type_, reason, detail))
        else:
            findings.append(Finding(type_, waiting if passed else yes))
    return findings


def _known(reason: str) -> Reason:
    types = {t for t, _, _ in _STEPS}
    return _R(reason) if reason in set(_R) and types & set(entry_of(reason).types) else _R.STORE_REFUSED

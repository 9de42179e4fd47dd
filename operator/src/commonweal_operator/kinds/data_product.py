"""DataProduct: whether its source is read, and whether it is served."""

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
    """Return one finding per step.

    Those before the one that the outcome's reason belongs to hold; those after it wait, unless the store says that it is ready all the same: what was
    loaded before is served on while the source is away.
    """
    if outcome is None:
        return [Finding(t, waiting) for t, _, waiting in _STEPS]
    reason = _known(outcome.reason, _R.SERVING if outcome.ready else _R.STORE_REFUSED)
    failing = next(i for i, (t, _, _) in enumerate(_STEPS) if t in entry_of(reason).types)
    after = [yes if outcome.ready else waiting for _, yes, waiting in _STEPS]
    findings = [Finding(t, yes if i < failing else after[i]) for i, (t, yes, _) in enumerate(_STEPS)]
    findings[failing] = Finding(_STEPS[failing][0], reason, "" if entry_of(reason).status == "True" else outcome.message)
    return findings


def _known(reason: str, otherwise: Reason) -> Reason:
    """Return the reason if a product may carry it."""
    types = {t for t, _, _ in _STEPS}
    return _R(reason) if reason in set(_R) and types & set(entry_of(reason).types) else otherwise

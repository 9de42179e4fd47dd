"""DataProduct: whether its contract may take effect, whether its source is read, and whether it is served."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from commonweal_api.data_product import DataProductSpec
from commonweal_api.plan import Outcome
from commonweal_api.reasons import ConditionType, Reason, entry_of
from commonweal_kube.objects import Record
from commonweal_operator.desired.sources import claim_of
from commonweal_operator.kinds import offer
from commonweal_operator.kinds.conditions import Finding, conditions
from commonweal_operator.kinds.world import World

_C, _R = ConditionType, Reason
# What the keeper reports on, in the order of causes: what each says when it holds, and while nothing is known.
_STEPS = (
    (_C.MAPPING_VALID, _R.MAPPING_VALID, _R.STORE_PENDING),
    (_C.SOURCE_REACHABLE, _R.SOURCE_REACHABLE, _R.STORE_PENDING),
    (_C.PUSHDOWN_SAFE, _R.PUSHDOWN_SAFE, _R.STORE_PENDING),
    (_C.LOADED, _R.LOADED, _R.LOAD_PENDING),
    (_C.SERVING, _R.SERVING, _R.STORE_PENDING),
)
_COUNTS = ("versions", "quality", "quarantined")


def status(record: Record, world: World, now: datetime) -> dict[str, Any]:
    """Return the status without times. What the store says is of the contract in force, which may be an earlier one than the newest."""
    report = world.store_report(record.key.tenant)
    outcome = report.products.get(record.key.name) if report is not None else None
    mine = outcome if outcome is not None and outcome.uid == record.uid else None
    holds = offer.in_force(record, world, now)
    current = mine if mine is not None and mine.generation == holds.plan.generation else None
    found = {
        "observedGeneration": record.generation,
        "conditions": conditions(_findings(record, holds, current, world), record.generation),
        "endpoint": f"{world.base_url('data-api', record.key.tenant)}/v1/{record.key.name}",
        "contract": mine.contract if mine is not None else record.status.get("contract"),
        **(_counts(mine) if mine is not None else {name: record.status.get(name) for name in _COUNTS}),
    }
    return {k: v for k, v in found.items() if v is not None}


def next_boundary(record: Record, now: datetime) -> datetime | None:
    """Return when an earlier version next ends, or None."""
    return min((e.until for e in record.parsed.spec.earlier if e.until > now), default=None)


def missing_claim(record: Record, spec: DataProductSpec, world: World) -> str | None:
    """Return the volume claim that the source lies on, if it does not exist or is not opened to the store."""
    claim = claim_of(spec.source)
    return claim if claim is not None and not world.claims(record.key.tenant, [claim]) else None


def _counts(outcome: Outcome) -> dict[str, Any]:
    said = outcome.wire()
    return {name: said.get(name) for name in _COUNTS}


def _findings(record: Record, holds: offer.InForce, outcome: Outcome | None, world: World) -> list[Finding]:
    """Return the findings in the order of causes; those that do not concern this product are left out."""
    spec = holds.plan.spec
    steps = {f.type: f for f in _reported(record, outcome, spec, world)}
    if spec.serve.mode != "Live":
        del steps[_C.PUSHDOWN_SAFE]
    if spec.sla is not None:
        steps[_C.SLA_MET] = _sla(outcome)
    steps |= {_C.COMPATIBLE: _compatible(holds), _C.QUALITY_PASSED: _quality(spec, outcome)}
    return [steps[t] for t in ConditionType if t in steps]


def _reported(record: Record, outcome: Outcome | None, spec: DataProductSpec, world: World) -> list[Finding]:
    """Return one finding per step.

    Those before the one that the outcome's reason belongs to hold; those after it wait, unless the store says that it is ready all the same: what was
    loaded before is served on while the source is away.
    """
    missing = missing_claim(record, spec, world)
    lack = Finding(_C.SOURCE_REACHABLE, _R.VOLUME_MISSING, f"PersistentVolumeClaim {missing}.") if missing else None
    if outcome is None:
        return _instead([Finding(t, pending) for t, _, pending in _STEPS], lack)
    reason = _known(outcome.reason, _R.SERVING if outcome.ready else _R.STORE_REFUSED)
    failing = next(i for i, (t, _, _) in enumerate(_STEPS) if t in entry_of(reason).types)
    after = [yes if outcome.ready else pending for _, yes, pending in _STEPS]
    found = [Finding(t, yes if i < failing else after[i]) for i, (t, yes, _) in enumerate(_STEPS)]
    said = Finding(_STEPS[failing][0], reason, "" if entry_of(reason).status == "True" else outcome.message)
    return _instead(_instead(found, said), lack)


def _instead(findings: list[Finding], better: Finding | None) -> list[Finding]:
    return [better if better is not None and f.type is better.type else f for f in findings]


def _compatible(holds: offer.InForce) -> Finding:
    if not holds.breaks:
        return Finding(_C.COMPATIBLE, _R.COMPATIBLE)
    return Finding(_C.COMPATIBLE, _R.BREAKING_CHANGE, f"In force: version {holds.plan.spec.version}. {' '.join(holds.breaks)}")


def _quality(spec: DataProductSpec, outcome: Outcome | None) -> Finding:
    if not spec.quality:
        return Finding(_C.QUALITY_PASSED, _R.QUALITY_PASSED)
    if outcome is None or outcome.quality is None:
        return Finding(_C.QUALITY_PASSED, _R.QUALITY_PENDING)
    counts, said = outcome.quality, outcome.message if outcome.reason == _R.SERVING or _about_quality(outcome.reason) else ""
    if outcome.reason == _R.QUALITY_STOPPED:
        return Finding(_C.QUALITY_PASSED, _R.QUALITY_STOPPED, said)
    figures = f"Passed: {counts.passed}, failed: {counts.failed}, not run: {counts.not_run}. {said}".strip()
    if counts.failed:
        return Finding(_C.QUALITY_PASSED, _R.QUALITY_FAILED, figures)
    if counts.not_run:
        return Finding(_C.QUALITY_PASSED, _R.QUALITY_NOT_RUN, figures)
    return Finding(_C.QUALITY_PASSED, _R.QUALITY_PASSED)


def _sla(outcome: Outcome | None) -> Finding:
    if outcome is None or outcome.sla_met is None:
        return Finding(_C.SLA_MET, _R.SLA_PENDING)
    return Finding(_C.SLA_MET, _R.SLA_MET if outcome.sla_met else _R.SLA_MISSED)


def _about_quality(reason: str) -> bool:
    return reason in set(_R) and _C.QUALITY_PASSED in entry_of(reason).types


def _known(reason: str, otherwise: Reason) -> Reason:
    """Return the reason if a step may carry it."""
    types = {t for t, _, _ in _STEPS}
    return _R(reason) if reason in set(_R) and types & set(entry_of(reason).types) else otherwise

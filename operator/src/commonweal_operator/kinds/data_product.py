"""DataProduct: whether its contract may take effect, whether its source is read, and whether it is served."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from commonweal_api.data_product import DataProductSpec
from commonweal_api.plan import Outcome
from commonweal_api.reasons import ConditionType, Reason, entry_of
from commonweal_kube.objects import Record
from commonweal_operator.desired.sources import claim_of
from commonweal_operator.kinds.conditions import Finding, conditions
from commonweal_operator.kinds.consent_policy import next_boundary
from commonweal_operator.kinds.contract import Contract

_C, _R = ConditionType, Reason
# What the keeper reports on, in the order of causes: what each says when it holds, and while nothing is known.
_STEPS = (
    (_C.MAPPING_VALID, _R.MAPPING_VALID, _R.STORE_PENDING),
    (_C.SOURCE_REACHABLE, _R.SOURCE_REACHABLE, _R.LOAD_PENDING),
    (_C.PUSHDOWN_SAFE, _R.PUSHDOWN_SAFE, _R.LOAD_PENDING),
    (_C.LOADED, _R.LOADED, _R.LOAD_PENDING),
    (_C.SERVING, _R.SERVING, _R.STORE_PENDING),
)
# Reasons of a store that has not read the source under this contract: they say nothing of it.
_SOURCE_UNREAD = (_R.LOAD_PENDING, _R.STORE_REFUSED)
_COUNTS = ("versions", "quality", "quarantined")


@dataclass(frozen=True, slots=True)
class DataProductInput:
    """All that bears on one product.

    `agreements` are those about it; `outcome` is what the keeper reports under the product's name, which may be of another object or contract; `claims`
    are the volume claims of its source that exist and are opened to the store; `data_api` is a base URL.
    """

    now: datetime
    contract: Contract
    agreements: tuple[Record, ...]
    outcome: Outcome | None
    claims: frozenset[str]
    data_api: str

    @property
    def record(self) -> Record:
        """The product as it is stored."""
        return self.contract.record

    @property
    def endpoint(self) -> str:
        """Where the product is read."""
        return f"{self.data_api}/v1/{self.record.key.name}"


def status(inputs: DataProductInput) -> dict[str, Any]:
    """Return the status without times. What the store says is of the contract in force, which may be an earlier one than the newest."""
    record, outcome = inputs.record, inputs.outcome
    mine = outcome if outcome is not None and outcome.uid == record.uid else None
    current = mine if mine is not None and mine.generation == inputs.contract.plan.generation else None
    found = {
        "observedGeneration": record.generation,
        "conditions": conditions(_findings(inputs, current), record.generation),
        "endpoint": inputs.endpoint,
        "contract": mine.contract if mine is not None else record.status.get("contract"),
        **(_counts(mine) if mine is not None else {name: record.status.get(name) for name in _COUNTS}),
    }
    return {k: v for k, v in found.items() if v is not None}


def next_end(record: Record, now: datetime) -> datetime | None:
    """Return when an earlier version next ends, or None."""
    return min((e.until for e in record.parsed.spec.earlier if e.until > now), default=None)


def next_moment(inputs: DataProductInput) -> datetime | None:
    """Return when an agreement about the product next begins or ends, or an earlier version of it ends: then a change may be held back no more."""
    moments = [*(next_boundary(p, inputs.now) for p in inputs.agreements), next_end(inputs.record, inputs.now)]
    return min((t for t in moments if t is not None), default=None)


def _counts(outcome: Outcome) -> dict[str, Any]:
    said = outcome.wire()
    return {name: said.get(name) for name in _COUNTS}


def _findings(inputs: DataProductInput, outcome: Outcome | None) -> list[Finding]:
    """Return the findings in the order of causes; those that do not concern this product are left out."""
    spec = inputs.contract.plan.spec
    steps = {f.type: f for f in _reported(outcome, _missing_claim(spec, inputs.claims))}
    if spec.serve.mode != "Live":
        del steps[_C.PUSHDOWN_SAFE]
    if spec.sla is not None:
        steps[_C.SLA_MET] = _sla(outcome)
    steps |= {_C.COMPATIBLE: _compatible(inputs.contract), _C.QUALITY_PASSED: _quality(spec, outcome)}
    return [steps[t] for t in ConditionType if t in steps]


def _missing_claim(spec: DataProductSpec, claims: frozenset[str]) -> Finding | None:
    """Return what is to be said of the volume claim that the source lies on, if it does not exist or is not opened to the store."""
    claim = claim_of(spec.source)
    if claim is None or claim in claims:
        return None
    return Finding(_C.SOURCE_REACHABLE, _R.VOLUME_MISSING, f"PersistentVolumeClaim {claim}.")


def _reported(outcome: Outcome | None, lack: Finding | None) -> list[Finding]:
    """Return one finding per step.

    Those before the one that the outcome's reason belongs to hold; those after it wait, unless the store says that it is ready all the same: what was
    loaded before is served on while the source is away. A reason of a store that has not read the source says nothing of the steps in between.
    """
    if outcome is None:
        return _instead([Finding(t, pending) for t, _, pending in _STEPS], lack)
    reason = _known(outcome.reason, _R.SERVING if outcome.ready else _R.STORE_REFUSED)
    order = [t for t, _, _ in _STEPS]
    step = next(t for t in entry_of(reason).types if t in order)
    holding = 1 if reason in _SOURCE_UNREAD else order.index(step)
    detail = "" if entry_of(reason).status == "True" else outcome.message
    found = [
        Finding(t, yes) if outcome.ready or i < holding else Finding(t, pending, detail if pending is reason else "")
        for i, (t, yes, pending) in enumerate(_STEPS)
    ]
    said = Finding(step, reason, detail)
    return _instead(_instead(found, said), lack)


def _instead(findings: list[Finding], better: Finding | None) -> list[Finding]:
    return [better if better is not None and f.type is better.type else f for f in findings]


def _compatible(contract: Contract) -> Finding:
    if not contract.breaks:
        return Finding(_C.COMPATIBLE, _R.COMPATIBLE)
    return Finding(_C.COMPATIBLE, _R.BREAKING_CHANGE, f"In force: version {contract.plan.spec.version}. {' '.join(contract.breaks)}")


def _quality(spec: DataProductSpec, outcome: Outcome | None) -> Finding:
    if not spec.quality:
        return Finding(_C.QUALITY_PASSED, _R.NO_CHECKS)
    if outcome is None or outcome.quality is None:
        return Finding(_C.QUALITY_PASSED, _R.QUALITY_PENDING)
    counts, said = outcome.quality, outcome.message if outcome.reason == _R.SERVING or _about_quality(outcome.reason) else ""
    if outcome.reason == _R.QUALITY_STOPPED:
        return Finding(_C.QUALITY_PASSED, _R.QUALITY_STOPPED, said)
    if not outcome.ready:  # no record is served: results there may be are of others
        return Finding(_C.QUALITY_PASSED, _R.QUALITY_PENDING)
    figures = f"Passed: {counts.passed}, failed: {counts.failed}, not run: {counts.not_run}. {said}".strip()
    if counts.failed:
        return Finding(_C.QUALITY_PASSED, _R.QUALITY_FAILED, figures)
    if counts.not_run:
        return Finding(_C.QUALITY_PASSED, _R.QUALITY_NOT_RUN, figures)
    return Finding(_C.QUALITY_PASSED, _R.QUALITY_PASSED if counts.passed else _R.QUALITY_PENDING)


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

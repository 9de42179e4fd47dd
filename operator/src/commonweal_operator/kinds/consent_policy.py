"""ConsentPolicy: whether it may be enforced, and whether it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from commonweal_api import ConsentPolicy
from commonweal_api.consent_policy import ConsentPolicySpec
from commonweal_api.plan import Outcome
from commonweal_api.reasons import ConditionType, Reason, entry_of
from commonweal_kube.objects import Record
from commonweal_operator.kinds.conditions import Finding, conditions
from commonweal_operator.kinds.contract import Contract
from commonweal_operator.kinds.signatures import meant_when_signed, negotiation
from commonweal_operator.kinds.terms import Terms, within_term

_C, _R = ConditionType, Reason


@dataclass(frozen=True, slots=True)
class Agreement:
    """An agreement, and how it stands to what its product has in force."""

    record: Record
    terms: Terms

    @property
    def spec(self) -> ConsentPolicySpec:
        """The agreement's spec."""
        found: ConsentPolicySpec = self.record.parsed.spec
        return found


@dataclass(frozen=True, slots=True)
class ConsentPolicyInput:
    """All that bears on one agreement.

    `contract` is None while the product is missing or does not parse; `outcome` is what the keeper reports under the agreement's name, which may be of
    another object; `data_api` is a base URL; `display_names` are those of the parties that exist.
    """

    now: datetime
    agreement: Agreement
    contract: Contract | None
    outcome: Outcome | None
    data_api: str
    display_names: Mapping[str, str]

    @property
    def record(self) -> Record:
        """The agreement as it is stored."""
        return self.agreement.record


def admitted(agreement: Agreement, now: datetime) -> bool:
    """Return whether the agreement is final, enforced, and within its term."""
    return enforceable(agreement) and agreement.spec.validity.holds(now)


def enforceable(agreement: Agreement) -> bool:
    """Return whether the agreement is to be enforced, which says nothing of the time.

    Its term is the store's own business: the row policies hold it by the database's clock, and a client that comes too late or too early is told so.
    """
    return agreement.spec.mode == "Enforce" and agreement.terms.final


def reachable(agreement: Agreement, now: datetime) -> bool:
    """Return whether the network lets the consumer in: from the agreement's first moment for as long as it exists.

    A consumer that comes after the last moment is told so by the store, instead of getting no connection.
    """
    return now >= agreement.spec.validity.from_ and enforceable(agreement)


def planned(agreement: Agreement) -> bool:
    """Return whether the agreement belongs into the store's plan: to be enforced, or as a dry run, which opens nothing and so needs no signatures."""
    return agreement.terms.whole if agreement.spec.mode == "DryRun" else agreement.terms.final


def next_boundary(record: Record, now: datetime) -> datetime | None:
    """Return when the agreement next begins or ends, or None."""
    validity = record.parsed.spec.validity
    return min((t for t in (validity.from_, validity.until) if t > now), default=None)


def narrowed(old: ConsentPolicy, new: ConsentPolicy) -> bool:
    """Return whether the new spec may take anything away that the old one allowed.

    What is signed can only change together with its signatures, so fewer or other signatures, or another mode, are the ordinary ways to close.
    """
    was, now = old.spec, new.spec
    return (
        (was.mode == "Enforce" and now.mode != "Enforce")
        or not set(was.signatures) <= set(now.signatures)
        or was.nonce != now.nonce
        or len(was.revocations or ()) < len(now.revocations or ())
        or not set(was.fields) <= set(now.fields)
        or not {p.key for p in was.purposes} <= {p.key for p in now.purposes}
        or not set(was.consumer.clients) <= set(now.consumer.clients)
        or now.limits.max_rows < was.limits.max_rows
        or now.validity.until < was.validity.until
        or now.validity.from_ > was.validity.from_
        or _rest(was) != _rest(now)
    )


def _rest(spec: ConsentPolicySpec) -> tuple[Any, ...]:
    """Return what has no obvious «more»: any change of it counts as taking something away."""
    return (spec.product, spec.basis, spec.subjects, spec.transparency, spec.linkage, spec.limits.model_copy(update={"max_rows": 1}))


def status(inputs: ConsentPolicyInput) -> dict[str, Any]:
    """Return the status without times. The number, once given, stays: it names the agreement in the audit for ever."""
    record, agreement, outcome = inputs.record, inputs.agreement, inputs.outcome
    terms = agreement.terms
    mine = outcome if outcome is not None and outcome.uid == record.uid else None
    current = mine if mine is not None and mine.generation == record.generation and planned(agreement) else None
    signed = _with_term(terms.signatures.finding, mine)
    findings = [terms.resolved, terms.permitted, terms.consumer, signed, within_term(agreement.spec.validity, inputs.now)]
    findings.append(_enforced(agreement, current))
    number = mine.number if mine is not None else None
    found = {
        "observedGeneration": record.generation,
        "conditions": conditions(findings, record.generation),
        "agreement": number if number is not None else record.status.get("agreement"),
        "endpoint": f"{inputs.data_api}/v1/{agreement.spec.product.name}",
        "negotiation": str(negotiation(record, terms.signatures, whole=terms.whole)),
        "hash": terms.hash,
        "meaning": terms.meaning.wire() if terms.meaning is not None and terms.meaning.whole(agreement.spec.fields) else None,
        "signedMeaning": _signed_meaning(record, terms),
        "whatIf": _what_if(record, current),
    }
    return {k: v for k, v in found.items() if v is not None}


def _with_term(finding: Finding, outcome: Outcome | None) -> Finding:
    """Return what is said of the signatures; of those in the form of earlier releases, until when they hold."""
    if finding.reason is not _R.SIGNED_BEFORE or outcome is None or outcome.lapses is None:
        return finding
    return finding._replace(detail=f"It holds until {outcome.lapses.isoformat()}.")


def _signed_meaning(record: Record, terms: Terms) -> dict[str, Any] | None:
    """Return what the fields meant when they were signed, while they mean something else: a status is where it is kept until both have signed again."""
    if terms.signatures.finding.reason is not _R.MEANING_CHANGED:
        return None
    found = next((m for s in record.parsed.spec.signatures if (m := meant_when_signed(record, s.hash)) is not None), None)
    return found.wire() if found is not None else None


def _enforced(agreement: Agreement, outcome: Outcome | None) -> Finding:
    if outcome is None:
        return Finding(_C.ENFORCED, _R.STORE_PENDING)
    if outcome.ready:
        return Finding(_C.ENFORCED, _R.DRY_RUN if agreement.spec.mode == "DryRun" else _R.ENFORCED)
    known = outcome.reason in set(_R) and _C.ENFORCED in entry_of(outcome.reason).types
    return Finding(_C.ENFORCED, _R(outcome.reason) if known else _R.STORE_REFUSED, outcome.message)


def _what_if(record: Record, outcome: Outcome | None) -> Any:
    """Return what a dry run would change. Counted again with the same result it keeps its time: a status is not written to say nothing new."""
    if record.parsed.spec.mode != "DryRun":
        return None
    had = record.status.get("whatIf")
    if outcome is None or outcome.what_if is None:
        return had
    new = outcome.what_if.wire()
    same = isinstance(had, dict) and {**had, "asOf": ""} == {**new, "asOf": ""}
    return had if same else new

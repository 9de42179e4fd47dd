"""ConsentPolicy: an agreement, written by the owner of the data, on who may use which fields for which purpose on which lawful basis."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from commonweal_api.common import (
    LAST_COLUMNS,
    READY_COLUMNS,
    ClientName,
    FieldName,
    Instant,
    Kind,
    Meta,
    Name,
    PurposeKey,
    Status,
    Strict,
    Text,
    cel,
    check,
    validations,
)
from commonweal_api.limits import Limits, Linkage
from commonweal_api.meaning import Meaning
from commonweal_api.negotiation import Digest, Negotiation, Nonce, Revocation, Signature, WhatIf
from commonweal_api.rights import RIGHTS, BasisType, Interest, bases
from commonweal_api.transparency import Assurance, Transparency
from commonweal_api.welsh import WALES, PurposeInWelsh

__all__ = [
    "Basis", "BasisType", "ConsentPolicy", "ConsentPolicySpec", "ConsentPolicyStatus", "Consumer", "Delegation", "Limits", "ProductRef", "Purpose",
    "Subjects", "Validity",
]  # fmt: skip

Delegation = Literal["Parent", "Attorney", "Adviser"]


class Purpose(Strict):
    """What the fields may be used for; each read names one."""

    key: PurposeKey = Field(description="department/purpose, sent by the client with each request.")
    iri: Annotated[str, StringConstraints(pattern=r"^dpv:[A-Z][A-Za-z]{2,62}$", max_length=68)] = Field(
        description="Purpose of the W3C Data Privacy Vocabulary, such as dpv:ServicePersonalisation."
    )
    text: Text = Field(min_length=20, max_length=500, description="The sentence a person is shown.")
    cy: PurposeInWelsh | None = Field(default=None, description="The same in Welsh.")


class Basis(Strict):
    """Why it is lawful."""

    type: BasisType = Field(description="The lawful basis; what it leaves to the person stands in the table of rights.")
    legal_power: Text | None = Field(
        default=None, min_length=5, max_length=300, description="The law that allows it; needed unless the basis is Consent."
    )
    condition: Interest | None = Field(
        default=None, description="Which recognised legitimate interest it is; needed for that basis and for no other."
    )


class Subjects(Strict):
    """What the person may do about it."""

    objection: Literal["Honoured", "NotApplicable"] = Field(
        description="Whether a person's objection closes the record; the basis decides it."
    )
    consent_validity_days: int | None = Field(
        default=None, strict=True, ge=1, le=1826, description="How long a consent holds before it must be renewed."
    )
    delegation: list[Delegation] = Field(
        default_factory=list, max_length=3, description="Who may decide and look for a person; without it only the person."
    )


class Consumer(Strict):
    """Who may read."""

    department: Name = Field(description="The consuming department.")
    clients: list[ClientName] = Field(min_length=1, max_length=20, description="ServiceAccounts of the consumer's department.")


class ProductRef(Strict):
    """Which product."""

    name: Name = Field(description="A DataProduct in the same namespace.")
    version: int | None = Field(
        default=None,
        strict=True,
        ge=0,
        le=99999,
        description="Major version of the contract; without it the newest that offers every field of the agreement.",
    )


class Validity(Strict, json_schema_extra=validations(
    cel("self.until > self.from", "spec.validity.until: must come after from."),
    cel("self.until - self.from <= duration('43848h')", "spec.validity: at most five years; agree again after that."),
)):  # fmt: skip
    """When it holds: from the first moment until just before the last."""

    from_: Instant = Field(alias="from", description="First moment in force.")
    until: Instant = Field(description="First moment no longer in force; the store itself refuses from then on.")

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if self.until <= self.from_:
            raise ValueError("spec.validity.until: must come after from.")
        if self.until - self.from_ > timedelta(hours=43848):
            raise ValueError("spec.validity: at most five years; agree again after that.")
        return self

    def holds(self, now: datetime) -> bool:
        """Return whether `now` lies in the half-open interval [from, until)."""
        return self.from_ <= now < self.until


def _listed(types: tuple[BasisType, ...]) -> str:
    return "[" + ", ".join(f"'{t}'" for t in types) + "]"


_OBJECTING = bases(lambda r: r.objection)
_NOT_OBJECTING = bases(lambda r: not r.objection)
_CONDITIONAL = bases(lambda r: r.condition)
_BRIEF = {t: r.most_days for t, r in RIGHTS.items() if r.most_days is not None}
_SIGNED = ("product", "consumer", "purposes", "fields", "basis", "subjects", "limits", "validity", "transparency", "linkage", "assurance")

LEGAL_POWER = cel(
    "self.basis.type == 'Consent' || has(self.basis.legalPower)", "spec.basis.legalPower: name the law unless the basis is Consent."
)
CONDITION = cel(
    f"(self.basis.type in {_listed(_CONDITIONAL)}) == has(self.basis.condition)",
    f"spec.basis.condition: say which interest it is when the basis is {' or '.join(_CONDITIONAL)}, and leave it out otherwise.",
)
CONSENT_DAYS = cel(
    "(self.basis.type == 'Consent') == has(self.subjects.consentValidityDays)",
    "spec.subjects.consentValidityDays: say how long a consent holds when the basis is Consent, and leave it out otherwise.",
)
NO_OBJECTION = cel(
    f"!(self.basis.type in {_listed(_NOT_OBJECTING)}) || self.subjects.objection == 'NotApplicable'",
    f"spec.subjects.objection: the law leaves no objection under {', '.join(_NOT_OBJECTING)}; write NotApplicable.",
)
OBJECTION = cel(
    f"!(self.basis.type in {_listed(_OBJECTING)}) || self.subjects.objection == 'Honoured'",
    "spec.subjects.objection: a person may object under this basis; write Honoured.",
)
BRIEF = cel(
    " && ".join(
        f"(self.basis.type != '{t}' || self.validity.until - self.validity.from <= duration('{24 * days}h'))" for t, days in _BRIEF.items()
    ),
    "spec.validity: " + " and ".join(f"at most {days} days under {t}" for t, days in _BRIEF.items()) + "; find another basis for longer.",
)
PURPOSES = cel(
    "self.purposes.all(p, self.purposes.exists_one(q, q.key == p.key))", "spec.purposes: keys must be unique; remove the double one."
)
FIELDS = cel("self.fields.all(f, self.fields.exists_one(g, g == f))", "spec.fields: a field is listed twice; remove one.")
CLIENTS = cel(
    "self.consumer.clients.all(c, self.consumer.clients.exists_one(d, d == c))",
    "spec.consumer.clients: a client is listed twice; remove one.",
)
DELEGATION = cel(
    "!has(self.subjects.delegation) || self.subjects.delegation.all(d, self.subjects.delegation.exists_one(e, e == d))",
    "spec.subjects.delegation: a kind of delegate is listed twice; remove one.",
)
DPIA = cel(
    "!self.limits.onwardSharing || (has(self.assurance) && has(self.assurance.dpia))",
    "spec.assurance.dpia: name the data protection impact assessment, or set spec.limits.onwardSharing to false.",
)
REVIEW = cel(
    "!has(self.assurance) || (self.assurance.review > self.validity.from && self.assurance.review < self.validity.until)",
    "spec.assurance.review: must lie within spec.validity; choose a day between from and until.",
)
PARTIES = cel(
    "!has(self.signatures) || self.signatures.all(s, self.signatures.exists_one(t, t.party == s.party))",
    "spec.signatures: a party signs once; remove the older one.",
)
ONE_HASH = cel(
    "!has(self.signatures) || self.signatures.all(s, s.hash == self.signatures[0].hash)",
    "spec.signatures: the parties signed different hashes; have both sign the present status.hash.",
)
REVOKERS = cel(
    "!has(self.revocations) || self.revocations.all(r, self.revocations.exists_one(s, s.party == r.party && s.nonce == r.nonce))",
    "spec.revocations: a party revokes a nonce once; leave one of the two out.",
)
NEW_FORM = cel(
    "has(self.nonce) || !has(self.signatures) || self.signatures.all(s, has(oldSelf.signatures) && oldSelf.signatures.exists(t, t == s))",
    "spec.nonce: is missing, and what is signed again needs one; sign with `commonweal agreement sign`, which writes it.",
)
REVOKED_STAYS = cel(
    "!has(oldSelf.revocations) || oldSelf.revocations.all(r, has(self.revocations) && self.revocations.exists(s, s == r))",
    "spec.revocations: what is revoked stays revoked; agree again with `commonweal agreement sign --renew`, which writes another spec.nonce.",
)
WELSH = cel(
    f"!has(self.assurance) || !self.assurance.areas.exists(a, a in {list(WALES)}) || (has(self.assurance.cy)"
    " && self.purposes.all(p, has(p.cy)) && (!has(self.transparency.reason) || has(self.transparency.cy)))",
    f"spec.assurance.areas: where {' or '.join(WALES)} is among them, people are shown both languages; add the block cy to each purpose, to assurance,"
    " and to transparency where it gives a reason.",
)
SPEC_RULES = (
    WELSH, LEGAL_POWER, CONDITION, CONSENT_DAYS, NO_OBJECTION, OBJECTION, BRIEF, PURPOSES, FIELDS, CLIENTS, DELEGATION, DPIA, REVIEW, PARTIES, ONE_HASH, REVOKERS, NEW_FORM, REVOKED_STAYS,
    cel("self.product.name == oldSelf.product.name", "spec.product.name: cannot be changed; write a new agreement."),
    cel("self.consumer.department == oldSelf.consumer.department", "spec.consumer.department: cannot be changed; write a new agreement."),
    cel("self.basis.type == oldSelf.basis.type", "spec.basis.type: cannot be changed; write a new agreement."),
    *(
        cel(
            "!has(self.signatures) || !has(oldSelf.signatures) || size(self.signatures) == 0 || size(oldSelf.signatures) == 0"
            f" || (has(self.{part}) == has(oldSelf.{part}) && (!has(self.{part}) || self.{part} == oldSelf.{part}))",
            f"spec.{part}: is signed and cannot be changed; take out spec.signatures, which closes the agreement, change it and have both sign again.",
        )
        for part in _SIGNED
    ),
)  # fmt: skip


class ConsentPolicySpec(Strict, json_schema_extra=validations(*SPEC_RULES)):
    mode: Literal["Enforce", "DryRun"] = Field(
        default="Enforce", description="DryRun opens nothing and says in status.whatIf what Enforce would change."
    )
    product: ProductRef
    consumer: Consumer
    purposes: list[Purpose] = Field(min_length=1, max_length=10, description="What the fields may be used for; each read names one.")
    # Not a set: two field managers would own a set's items apart, and a field taken out of one manifest would stay granted by the other.
    fields: list[FieldName] = Field(min_length=1, max_length=100, description="The fields that may be read; never a wildcard.")
    basis: Basis
    subjects: Subjects
    limits: Limits = Field(default_factory=Limits)
    validity: Validity
    transparency: Transparency = Field(default_factory=Transparency)
    linkage: Linkage | None = None
    assurance: Assurance | None = None
    signatures: list[Signature] = Field(
        default_factory=list,
        max_length=2,
        description="Both parties' signatures; data opens when both verify. While they stay, only mode may change.",
    )
    nonce: Nonce | None = Field(
        default=None,
        description="What makes these terms this one agreement, ever; `commonweal agreement sign` writes it, and what is signed without it is of an earlier release.",
    )
    revocations: list[Revocation] | None = Field(
        default=None, max_length=8, description="Words of either party that the agreement is over; they cannot be taken out again."
    )

    @model_validator(mode="after")
    def _basis_and_rights(self) -> Self:
        rights, basis, subjects = RIGHTS[self.basis.type], self.basis, self.subjects
        days = rights.most_days
        check(
            (not rights.grant and basis.legal_power is None, LEGAL_POWER),
            (rights.condition != (basis.condition is not None), CONDITION),
            (rights.grant != (subjects.consent_validity_days is not None), CONSENT_DAYS),
            (not rights.objection and subjects.objection != "NotApplicable", NO_OBJECTION),
            (rights.objection and subjects.objection != "Honoured", OBJECTION),
            (days is not None and self.validity.until - self.validity.from_ > timedelta(days=days), BRIEF),
        )
        return self

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        check(
            (_twice([p.key for p in self.purposes]), PURPOSES),
            (_twice(self.fields), FIELDS),
            (_twice(self.consumer.clients), CLIENTS),
            (_twice(self.subjects.delegation), DELEGATION),
            (_twice([s.party for s in self.signatures]), PARTIES),
            (len({s.hash for s in self.signatures}) > 1, ONE_HASH),
            (_twice([f"{r.party} {r.nonce}" for r in self.revocations or ()]), REVOKERS),
        )
        return self

    @model_validator(mode="after")
    def _assured(self) -> Self:
        assured = self.assurance
        review = datetime.combine(assured.review, time(), UTC) if assured else None
        check(
            (assured is not None and bool(set(WALES) & set(assured.areas)) and not self._in_welsh(assured), WELSH),
            (self.limits.onward_sharing and (assured is None or assured.dpia is None), DPIA),
            (review is not None and not self.validity.from_ < review < self.validity.until, REVIEW),
        )
        return self

    def _in_welsh(self, assured: Assurance) -> bool:
        hidden = self.transparency.reason is not None
        return assured.cy is not None and all(p.cy for p in self.purposes) and (not hidden or self.transparency.cy is not None)


def _twice(names: Sequence[str]) -> bool:
    return len(set(names)) != len(names)


class ConsentPolicyStatus(Status):
    agreement: int | None = Field(
        default=None, strict=True, ge=1, le=32767, description="Number of the agreement in the store; never used twice."
    )
    endpoint: str | None = Field(default=None, max_length=300, description="URL under which the consumer reads.")
    negotiation: Negotiation | None = Field(default=None, description="How far the two parties are; data opens in Finalized only.")
    hash: Digest | None = Field(default=None, description="Hash of the agreement as it stands: what both parties sign.")
    meaning: Meaning | None = Field(default=None, description="What its fields mean now; part of what both parties sign.")
    signed_meaning: Meaning | None = Field(
        default=None, description="What its fields meant when they were signed, when they mean something else now."
    )
    what_if: WhatIf | None = None


class ConsentPolicy(Kind):
    """One department-to-department agreement."""

    plural: ClassVar[str] = "consentpolicies"
    singular: ClassVar[str] = "consentpolicy"
    short_names: ClassVar[tuple[str, ...]] = ("cp",)
    namespaced: ClassVar[bool] = True
    columns: ClassVar[tuple[dict[str, Any], ...]] = (
        {"name": "Product", "type": "string", "jsonPath": ".spec.product.name"},
        {"name": "Consumer", "type": "string", "jsonPath": ".spec.consumer.department"},
        {"name": "Basis", "type": "string", "jsonPath": ".spec.basis.type"},
        {"name": "Signed", "type": "string", "jsonPath": ".status.negotiation"},
        {"name": "Until", "type": "string", "jsonPath": ".spec.validity.until"},
        *READY_COLUMNS,
        {"name": "Mode", "type": "string", "priority": 1, "jsonPath": ".spec.mode"},
        {"name": "Gained", "type": "integer", "priority": 1, "jsonPath": ".status.whatIf.subjectsGained"},
        {"name": "Lost", "type": "integer", "priority": 1, "jsonPath": ".status.whatIf.subjectsLost"},
        *LAST_COLUMNS,
    )

    kind: Literal["ConsentPolicy"] = "ConsentPolicy"
    metadata: Meta
    spec: ConsentPolicySpec
    status: ConsentPolicyStatus = Field(default_factory=ConsentPolicyStatus)

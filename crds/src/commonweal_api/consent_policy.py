"""ConsentPolicy: an agreement, written by the owner of the data, on who may use which fields for which purpose on which lawful basis."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field as P
from pydantic import StringConstraints, model_validator

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
    cel,
    validations,
)


class BasisType(StrEnum):
    """The lawful bases that this version enforces; the others are refused by the schema until they are."""

    CONSENT = "Consent"
    PUBLIC_TASK = "PublicTask"
    LEGAL_OBLIGATION = "LegalObligation"


class Purpose(Strict):
    """What the fields may be used for; each read names one."""

    key: PurposeKey = P(description="department/purpose, sent by the client with each request.")
    iri: Annotated[str, StringConstraints(pattern=r"^dpv:[A-Z][A-Za-z]{2,62}$", max_length=68)] = P(
        description="Purpose of the W3C Data Privacy Vocabulary, such as dpv:ServicePersonalisation."
    )
    text: str = P(min_length=20, max_length=500, description="The sentence a person is shown.")


class Basis(Strict):
    """Why it is lawful."""

    type: BasisType = P(description="The lawful basis; the bases not listed are refused until they are enforced.")
    legal_power: str | None = P(
        default=None, min_length=5, max_length=300, description="The law that allows it; needed unless the basis is Consent."
    )


class Subjects(Strict):
    """What the person may do about it."""

    objection: Literal["Honoured", "NotApplicable"] = P(
        description="Whether a person's objection closes the record; the law leaves none under LegalObligation."
    )
    consent_validity_days: int | None = P(
        default=None, strict=True, ge=1, le=1826, description="How long a consent holds before it must be renewed."
    )


class Consumer(Strict):
    """Who may read."""

    department: Name = P(description="The consuming department.")
    clients: list[ClientName] = P(min_length=1, max_length=20, description="ServiceAccounts of the consumer's department.")


class ProductRef(Strict):
    """Which product."""

    name: Name = P(description="A DataProduct in the same namespace.")


class Limits(Strict):
    """How much at a time."""

    max_rows: int = P(default=100, strict=True, ge=1, le=1000, description="Most records in one answer.")


class Validity(Strict, json_schema_extra=validations(
    cel("self.until > self.from", "spec.validity.until: must come after from."),
    cel("self.until - self.from <= duration('43848h')", "spec.validity: at most five years; agree anew after that."),
)):  # fmt: skip
    """When it holds: from the first moment until just before the last."""

    from_: Instant = P(alias="from", description="First moment in force.")
    until: Instant = P(description="First moment no longer in force; the store itself refuses from then on.")

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if self.until <= self.from_:
            raise ValueError("spec.validity.until: must come after from.")
        if self.until - self.from_ > timedelta(hours=43848):
            raise ValueError("spec.validity: at most five years; agree anew after that.")
        return self

    def holds(self, now: datetime) -> bool:
        """Return whether `now` lies in the half-open interval [from, until)."""
        return self.from_ <= now < self.until


SPEC_RULES = (
    cel("self.basis.type == 'Consent' || has(self.basis.legalPower)", "spec.basis.legalPower: name the law unless the basis is Consent."),
    cel(
        "(self.basis.type == 'Consent') == has(self.subjects.consentValidityDays)",
        "spec.subjects.consentValidityDays: say how long a consent holds when the basis is Consent, and leave it out otherwise.",
    ),
    cel(
        "self.basis.type != 'LegalObligation' || self.subjects.objection == 'NotApplicable'",
        "spec.subjects.objection: the law leaves no objection under LegalObligation; write NotApplicable.",
    ),
    cel(
        "self.basis.type == 'LegalObligation' || self.subjects.objection == 'Honoured'",
        "spec.subjects.objection: a person may object under this basis; write Honoured.",
    ),
    cel("self.purposes.all(p, self.purposes.exists_one(q, q.key == p.key))", "spec.purposes: keys must be unique; remove the double one."),
    cel("self.fields.all(f, self.fields.exists_one(g, g == f))", "spec.fields: a field is listed twice; remove one."),
    cel(
        "self.consumer.clients.all(c, self.consumer.clients.exists_one(d, d == c))",
        "spec.consumer.clients: a client is listed twice; remove one.",
    ),
    cel("self.product.name == oldSelf.product.name", "spec.product.name: cannot be changed; write a new agreement."),
    cel("self.consumer.department == oldSelf.consumer.department", "spec.consumer.department: cannot be changed; write a new agreement."),
    cel("self.basis.type == oldSelf.basis.type", "spec.basis.type: cannot be changed; write a new agreement."),
)


class ConsentPolicySpec(Strict, json_schema_extra=validations(*SPEC_RULES)):
    product: ProductRef
    consumer: Consumer
    purposes: list[Purpose] = P(min_length=1, max_length=10, description="What the fields may be used for; each read names one.")
    # Not a set: two field managers would own a set's items apart, and a field taken out of one manifest would stay granted by the other.
    fields: list[FieldName] = P(min_length=1, max_length=100, description="The fields that may be read; never a wildcard.")
    basis: Basis
    subjects: Subjects
    limits: Limits = P(default_factory=Limits)
    validity: Validity

    @model_validator(mode="after")
    def _basis_and_rights(self) -> Self:
        consent, legal = self.basis.type == BasisType.CONSENT, self.basis.type == BasisType.LEGAL_OBLIGATION
        keys = [p.key for p in self.purposes]
        for broken, message in (
            (not consent and self.basis.legal_power is None, SPEC_RULES[0]["message"]),
            (consent != (self.subjects.consent_validity_days is not None), SPEC_RULES[1]["message"]),
            (legal and self.subjects.objection != "NotApplicable", SPEC_RULES[2]["message"]),
            (not legal and self.subjects.objection != "Honoured", SPEC_RULES[3]["message"]),
            (len(set(keys)) != len(keys), SPEC_RULES[4]["message"]),
            (len(set(self.fields)) != len(self.fields), SPEC_RULES[5]["message"]),
            (len(set(self.consumer.clients)) != len(self.consumer.clients), SPEC_RULES[6]["message"]),
        ):
            if broken:
                raise ValueError(message)
        return self


class ConsentPolicyStatus(Status):
    agreement: int | None = P(
        default=None, strict=True, ge=1, le=32767, description="Number of the agreement in the store; never used twice."
    )
    endpoint: str | None = P(default=None, max_length=300, description="URL under which the consumer reads.")


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
        {"name": "Until", "type": "string", "jsonPath": ".spec.validity.until"},
        *READY_COLUMNS,
        *LAST_COLUMNS,
    )

    kind: Literal["ConsentPolicy"] = "ConsentPolicy"
    metadata: Meta
    spec: ConsentPolicySpec
    status: ConsentPolicyStatus = P(default_factory=ConsentPolicyStatus)

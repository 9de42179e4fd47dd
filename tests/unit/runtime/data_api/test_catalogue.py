"""Which agreement a request is read under, and why none."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from commonweal_runtime.data_api.catalogue import Agreement, Catalogue
from commonweal_runtime.exceptions import ProblemError
from commonweal_runtime.tokens import Client

NOW = datetime(2026, 6, 1, tzinfo=UTC)
ONE = Agreement(
    1,
    "one",
    "people",
    "tax",
    frozenset({"app"}),
    ("tax/serve",),
    ("a", "b"),
    100,
    datetime(2026, 1, 1, tzinfo=UTC),
    datetime(2027, 1, 1, tzinfo=UTC),
)
TWO = replace(ONE, number=2, name="two", fields=("b", "c"))
APP = Client("tax", "app")


def catalogue(*agreements: Agreement) -> Catalogue:
    return Catalogue({}, (), {"people": agreements})


def test_the_first_agreement_that_covers_the_fields_is_taken() -> None:
    both = catalogue(ONE, TWO)
    assert both.choose("people", APP, "tax/serve", None, NOW).number == 1
    assert both.choose("people", APP, "tax/serve", ["c"], NOW).number == 2


REFUSED = {
    "product": (("other", APP, "tax/serve", None, NOW), "NoAgreement"),
    "department": (("people", Client("health", "app"), "tax/serve", None, NOW), "NoAgreement"),
    "client": (("people", Client("tax", "x"), "tax/serve", None, NOW), "NoAgreement"),
    "no purpose": (("people", APP, None, None, NOW), "PurposeMissing"),
    "purpose": (("people", APP, "tax/x", None, NOW), "PurposeNotAgreed"),
    "field": (("people", APP, "tax/serve", ["a", "c"], NOW), "FieldNotAgreed"),
    "at its end": (("people", APP, "tax/serve", None, ONE.ends), "AgreementExpired"),
    "before it": (("people", APP, "tax/serve", None, datetime(2025, 1, 1, tzinfo=UTC)), "AgreementNotBegun"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refusals(case: str) -> None:
    asked, reason = REFUSED[case]
    with pytest.raises(ProblemError) as refused:
        catalogue(ONE).choose(*asked)
    assert refused.value.reason == reason


def test_an_unknown_product_and_one_not_agreed_are_the_same_answer() -> None:
    answers = []
    for product in ("unknown", "people"):
        with pytest.raises(ProblemError) as refused:
            catalogue(ONE).choose(product, Client("health", "app"), "x/y", None, NOW)
        answers.append(refused.value.body())
    assert answers[0] == answers[1]

"""The table of bases and rights is the law of the schema: an agreement is taken exactly when it says what its basis says."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from commonweal_api import ConsentPolicy
from commonweal_api.generate import rendered
from commonweal_api.rights import RIGHTS, BasisType, Erasure, bases
from support.manifests import Body, consent_policy

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def _agreement(basis: BasisType, *, objection: bool, law: bool, condition: bool, consent_days: bool, term: timedelta) -> Body:
    manifest = consent_policy()
    of_basis = {"legalPower": "Finance Act 2026, section 1"} if law else {}
    manifest["spec"] |= {
        "basis": {"type": basis, **of_basis, **({"condition": "Crime"} if condition else {})},
        "subjects": {"objection": "Honoured" if objection else "NotApplicable", **({"consentValidityDays": 30} if consent_days else {})},
        "validity": {"from": BEGIN.isoformat(), "until": (BEGIN + term).isoformat()},
    }
    return manifest


def _taken(manifest: Body) -> bool:
    try:
        ConsentPolicy.model_validate(manifest)
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize("basis", BasisType)
def test_an_agreement_says_what_its_basis_says(basis: BasisType) -> None:
    rights, yes_no = RIGHTS[basis], (True, False)
    for objection, law, condition, consent_days in itertools.product(yes_no, repeat=4):
        manifest = _agreement(
            basis,
            objection=objection,
            law=law,
            condition=condition,
            consent_days=consent_days,
            term=timedelta(days=rights.most_days or 1826),
        )
        fits = objection is rights.objection and (law or rights.grant) and condition is rights.condition and consent_days is rights.grant
        assert _taken(manifest) is fits, manifest["spec"]


@pytest.mark.parametrize("basis", BasisType)
def test_an_agreement_lasts_no_longer_than_its_basis_allows(basis: BasisType) -> None:
    rights = RIGHTS[basis]
    longest = timedelta(days=rights.most_days) if rights.most_days else timedelta(hours=43848)
    for term, fits in ((longest, True), (longest + timedelta(seconds=1), False)):
        manifest = _agreement(basis, objection=rights.objection, law=True, condition=rights.condition, consent_days=rights.grant, term=term)
        assert _taken(manifest) is fits


def test_what_the_law_says_of_each_right() -> None:
    """UK GDPR: Articles 7, 17, 20 and 21, as the Information Commissioner's table of bases and rights has it."""
    assert bases(lambda r: r.grant) == ("Consent",)
    assert bases(lambda r: r.objection) == ("Consent", "PublicTask", "RecognisedLegitimateInterest")
    assert bases(lambda r: r.portability) == ("Consent", "Contract")
    assert bases(lambda r: r.erasure is Erasure.NONE) == ("PublicTask", "LegalObligation")
    assert bases(lambda r: r.erasure is Erasure.WHEN_ENDED) == ("Contract",)
    assert bases(lambda r: r.flagged) == bases(lambda r: r.most_days is not None) == ("VitalInterests",)
    assert bases(lambda r: r.condition) == ("RecognisedLegitimateInterest",)


def test_the_page_has_a_row_for_each_basis() -> None:
    rows = [line for line in rendered("0")["docs/reference/rights.md"].splitlines() if line.startswith("| `")]
    assert [row.split("`")[1] for row in rows] == list(RIGHTS)
    assert rows[-1].endswith("| `legalPower`, `condition` |")

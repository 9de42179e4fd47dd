"""What the store lets nothing open against, whatever a plan says: decided from what it has kept, without a database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from commonweal_api.agreement_signatures import agreement_hash
from commonweal_api.meaning import Meaning, meaning_of
from commonweal_api.plan import AgreementPlan, StorePlan
from commonweal_runtime.store.signed_terms import Before, Kept, bounded, fault_of
from commonweal_runtime.store.versions import expand
from support.data_api import agreement, person_product, plan
from support.signing import nonce_of

NOW = datetime(2026, 11, 28, tzinfo=UTC)
SOURCE: Any = SimpleNamespace(port=5432)
UID, NONCE = "a-a", nonce_of("a-a")


def planned(
    *, nonce: str | None = NONCE, product: dict[str, Any] | None = None, signed: str | None = "", **over: Any
) -> tuple[AgreementPlan, StorePlan]:
    """Return an agreement in its plan; signed as it stands unless `signed` says otherwise."""
    made = plan({"people": person_product(SOURCE) | (product or {})}, {"a": agreement(**{"nonce": nonce, **over})})
    (found,) = made.agreements
    if signed == "":
        signed = agreement_hash(made.department, "a", found.spec, meant(made)) if nonce else None
    return found.model_copy(update={"signed": signed}), made


def meant(made: StorePlan) -> Meaning:
    product = made.products[0].spec
    return meaning_of(made.agreements[0].spec.fields, product, product)


def reason(
    found: tuple[AgreementPlan, StorePlan], kept: Kept | None = None, before: Before | None = None, now: datetime = NOW
) -> str | None:
    fault = fault_of(*found, kept, before, now)
    return str(fault.reason) if fault is not None else None


def test_what_was_signed_as_it_would_be_opened_opens() -> None:
    found = planned()
    assert reason(found) is None
    assert reason(found, Kept(UID, found[0].signed, None)) is None


@pytest.mark.parametrize(
    ("kept", "why"),
    [
        (Kept(UID, None, "Revoked"), "NonceEnded"),
        (Kept(None, None, "Revoked"), "NonceEnded"),
        (Kept("another", None, None), "NonceUsed"),
        (Kept(UID, "sha256:" + "0" * 64, None), "NonceUsed"),
        (Kept("another", None, "Replaced"), "NonceEnded"),
    ],
)
def test_a_nonce_that_is_over_or_of_another_keeps_it_closed(kept: Kept, why: str) -> None:
    assert reason(planned(), kept) == why


def test_another_meaning_than_was_signed_keeps_it_closed() -> None:
    was, _ = planned()
    fields = [f | ({"column": "postcode"} if f["name"] == "fullName" else {}) for f in person_product(SOURCE)["fields"]]
    assert reason(planned(product={"fields": fields}, signed=was.signed)) == "MeaningChanged"


def test_a_version_that_ended_since_the_plan_was_made_opens_nothing_that_was_not_signed() -> None:
    spec = person_product(SOURCE)
    ends = NOW + timedelta(days=1)
    earlier = {"version": "1.0.0", "until": ends.isoformat(), "fields": spec["fields"]}
    fields = [f | ({"column": "postcode"} if f["name"] == "fullName" else {}) for f in spec["fields"]]
    was, _ = planned()
    wanted, made = planned(product={"version": "2.0.0", "fields": fields, "earlier": [earlier]}, signed=was.signed)
    assert reason((wanted, expand(made, NOW)), now=NOW) is None
    assert reason((wanted, expand(made, ends)), now=ends) == "MeaningChanged"


def test_a_dry_run_opens_nothing_and_needs_no_signature() -> None:
    wanted, made = planned(nonce=None)
    assert reason((wanted.model_copy(update={"dry_run": True}), made)) is None


# Signed in the form of earlier releases


def old(**over: Any) -> tuple[tuple[AgreementPlan, StorePlan], Before]:
    found = planned(nonce=None)
    kept = {
        "signed": agreement_hash(found[1].department, "a", found[0].spec),
        "meaning": meant(found[1]),
        "until": NOW + timedelta(days=180),
    }
    return found, Before(**{**kept, **over})


def test_what_the_store_has_kept_of_an_earlier_release_holds_as_it_was() -> None:
    found, before = old()
    assert reason(found, before=before) is None
    assert bounded(found[0], before).spec.validity.until == before.until
    assert bounded(found[0], None) == found[0]
    assert bounded(planned()[0], before) == planned()[0], "what has a nonce has no last term"


@pytest.mark.parametrize(
    ("over", "why"),
    [({"until": NOW}, "Lapsed"), ({"signed": None}, "Lapsed"), ({"meaning": None}, "Lapsed"), ({"signed": "sha256:" + "0" * 64}, "Lapsed")],
    ids=str,
)
def test_what_is_not_known_or_over_or_other_does_not_open(over: dict[str, Any], why: str) -> None:
    found, before = old(**over)
    assert reason(found, before=before) == why
    assert reason(found) == "Lapsed", "nothing is added to what was there"


def test_a_new_meaning_under_an_old_signature_does_not_open() -> None:
    (wanted, _), before = old()
    made = plan({"people": person_product(SOURCE) | {"subject": {"column": "full_name"}}}, {"a": agreement(nonce=None)})
    assert reason((wanted, made), before=before) == "MeaningChanged"

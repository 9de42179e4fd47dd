"""What two departments sign, and what follows: nothing opens without both signatures, and nothing that they rely on is taken from under them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from commonweal_api import agreement_signatures as jws
from commonweal_api.negotiation import WhatIf
from commonweal_api.plan import Outcome
from commonweal_api.signatures import base64url
from commonweal_kube.queue import Key, Priority
from commonweal_operator.kinds import department
from support.signing import key_of, keys_status, seed_of, signature, signed
from support.site import NOW, REGISTRY, TAX, Site

NAME = "tax-registers-business"
AGREEMENT, PROVIDER, CONSUMER = Key(REGISTRY, "ConsentPolicy", NAME), "companies-registry", "tax-authority"
BENEFITS = "dept-benefits-department"


@pytest.fixture
def site() -> Site:
    return Site()


def stands(site: Site, signatures: list[dict[str, Any]], **spec: Any) -> tuple[str, str, str]:
    """Return negotiation, and reason and message of CounterSigned, of the agreement with these signatures."""
    site.change("ConsentPolicy", NAME, signatures=signatures, **spec)
    status = site.status(AGREEMENT)
    assert status is not None
    found = site.conditions("ConsentPolicy", NAME)["CounterSigned"]
    return status["negotiation"], found[1], found[2]


def by(site: Site, party: str, **how: Any) -> dict[str, Any]:
    return signature(site.body(AGREEMENT), party, **how)


def test_the_state_follows_from_who_has_signed(site: Site) -> None:
    mine, theirs = by(site, PROVIDER), by(site, CONSUMER)
    for signatures, state in (([], "Offered"), ([mine], "Offered"), ([theirs], "Accepted"), ([mine, theirs], "Finalized")):
        found = stands(site, signatures)
        assert found[0] == state
        assert found[1] == ("CounterSigned" if len(signatures) == 2 else "AwaitingSignature")
        assert (NAME in site.planned()[1]) is (state == "Finalized")


def test_who_is_missing_is_named_with_the_hash_to_sign(site: Site) -> None:
    _, _, message = stands(site, [by(site, CONSUMER)])
    assert f"Missing: {PROVIDER}." in message
    assert by(site, CONSUMER)["hash"] in message
    assert site.status(AGREEMENT)["hash"] == by(site, CONSUMER)["hash"]


def test_signed_by_both_but_without_its_product_it_is_agreed_and_closed(site: Site) -> None:
    site.drop(Key(REGISTRY, "DataProduct", "companies"))
    assert site.status(AGREEMENT)["negotiation"] == "Agreed"
    assert site.planned() == (set(), set())


def test_a_department_that_agrees_with_itself_signs_once(site: Site) -> None:
    key = Key(TAX, "ConsentPolicy", "guidance-knows-registration")
    assert len(signed(site.body(key))["spec"]["signatures"]) == 1
    assert site.status(key)["negotiation"] == "Finalized"
    assert "guidance-knows-registration" in site.planned(TAX)[1]


@pytest.mark.parametrize(
    ("how", "reason", "names"),
    [
        ({"seed": seed_of(CONSUMER, 1)}, "SignatureInvalid", "publishes no more; its key is"),
        ({"hash_": "sha256:" + "0" * 64}, "SignedOtherTerms", "these terms are sha256:"),
    ],
)
def test_a_signature_that_does_not_hold_ends_the_negotiation(site: Site, how: dict[str, Any], reason: str, names: str) -> None:
    state, found, message = stands(site, [by(site, PROVIDER, hash_=how.get("hash_", "")), by(site, CONSUMER, **how)])
    assert (state, found) == ("Terminated", reason)
    assert names in message
    assert CONSUMER in message or PROVIDER in message
    assert NAME not in site.planned()[1]


def test_a_strangers_signature_ends_it_even_beside_both_others(site: Site) -> None:
    state, found, message = stands(site, [by(site, PROVIDER), by(site, "benefits-department")])
    assert (state, found) == ("Terminated", "SignedByStranger")
    assert "benefits-department" in message


def test_one_partys_signature_does_not_do_for_the_other(site: Site) -> None:
    forged = by(site, PROVIDER) | {"party": CONSUMER}
    assert stands(site, [by(site, PROVIDER), forged])[:2] == ("Terminated", "SignatureInvalid")
    own = {**forged, "jws": jws.sign(seed_of(PROVIDER), jws.Signed(forged["hash"], CONSUMER, 1))}
    assert stands(site, [by(site, PROVIDER), own])[:2] == ("Terminated", "SignatureInvalid")


def test_the_seal_key_of_a_department_signs_no_agreement(site: Site) -> None:
    """Receipts and seals are signed inside the data plane; whoever holds that key must not be able to open data."""
    seal_key = key_of(CONSUMER, 7).model_copy(update={"purpose": "Seal"})
    body = site.departments[CONSUMER]
    site.put(body, keys=[*keys_status(CONSUMER), seal_key.wire()])
    assert stands(site, [by(site, PROVIDER), by(site, CONSUMER, seed=seed_of(CONSUMER, 7))])[:2] == ("Terminated", "SignatureInvalid")


def test_another_key_closes_what_the_old_one_signed_at_once_and_says_so(site: Site) -> None:
    wishes = site.put(site.departments[CONSUMER], keys=[key_of(CONSUMER, 1).wire()])
    assert wishes[AGREEMENT] == wishes[Key(REGISTRY, "Department", PROVIDER)] == Priority.REVOCATION
    found = site.conditions("ConsentPolicy", NAME)["CounterSigned"]
    assert found[:2] == ("False", "SignatureInvalid")
    assert "have that department sign again" in found[2]
    assert NAME not in site.planned()[1]


def test_while_a_partys_key_is_not_known_nothing_is_said_against_its_signature(site: Site) -> None:
    site.put(site.departments[CONSUMER])
    assert site.status(AGREEMENT)["negotiation"] == "Offered"
    assert site.conditions("ConsentPolicy", NAME)["CounterSigned"][:2] == ("Unknown", "PartyKeyUnknown")
    assert NAME not in site.planned()[1]


@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_no_text_whatever_is_a_signature(noise: bytes) -> None:
    text = noise.decode("utf-8", "replace")
    assert jws.verify(text, [key_of("tax")]) is None
    good = jws.sign(seed_of("tax"), jws.Signed("sha256:a", "tax", 5))
    header, payload, made = good.split(".")
    for spoilt in (f"{header}.{payload}.{text}", f"{header}.{text}.{made}", f"{text}.{payload}.{made}", good + text):
        assert jws.verify(spoilt, [key_of("tax")]) == (jws.Signed("sha256:a", "tax", 5) if spoilt == good else None)


@pytest.mark.parametrize("place", range(3))
def test_every_character_of_a_signature_counts(place: int) -> None:
    good = jws.sign(seed_of("tax"), jws.Signed("sha256:a", "tax", 5)).split(".")
    for i, letter in enumerate(good[place]):
        part = good[place][:i] + ("A" if letter != "A" else "B") + good[place][i + 1 :]
        assert jws.verify(".".join([*good[:place], part, *good[place + 1 :]]), [key_of("tax")]) is None


def test_a_receipt_with_the_same_key_is_no_signature_under_an_agreement() -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    content = orjson.dumps({"hash": "sha256:a", "iat": 5, "party": "tax"})
    for header in (
        {"alg": "EdDSA", "kid": key_of("tax").kid, "typ": "consent-receipt+jws"},
        {"alg": "none", "kid": key_of("tax").kid, "typ": jws.JWS_TYPE},
        {"alg": "EdDSA", "kid": key_of("tax").kid, "typ": jws.JWS_TYPE, "crit": ["exp"]},
    ):
        body = f"{base64url(orjson.dumps(header))}.{base64url(content)}"
        made = base64url(Ed25519PrivateKey.from_private_bytes(seed_of("tax")).sign(body.encode()))
        assert jws.verify(f"{body}.{made}", [key_of("tax")]) is None


def test_a_dry_run_is_tried_without_signatures_and_opens_no_network(site: Site) -> None:
    site.change("ConsentPolicy", NAME, mode="DryRun", signatures=[])
    site.drop(Key(REGISTRY, "ConsentPolicy", "guidance-knows-company"))
    plan = department.store_plan(site.department())
    assert {a.name: a.dry_run for a in plan.agreements} == {"benefits-checks-company": False, NAME: True}
    assert department.content(site.department()).consumers == {"benefits-department"}


def what_if(gained: int, at: datetime) -> WhatIf:
    return WhatIf(subjects_gained=gained, subjects_lost=0, fields_gained=["sector"], as_of=at)


def test_what_a_dry_run_would_change_shows_in_the_status_and_keeps_its_time_while_it_says_the_same(site: Site) -> None:
    site.change("ConsentPolicy", NAME, mode="DryRun", signatures=[])
    record = site.record("ConsentPolicy", NAME)
    told = Outcome(uid=record.uid, generation=record.generation, ready=True, reason="DryRun", what_if=what_if(5, NOW))
    site.report(REGISTRY, tax_registers_business=told)
    status = site.status(AGREEMENT)
    assert status["whatIf"] == {
        "subjectsGained": 5,
        "subjectsLost": 0,
        "fieldsGained": ["sector"],
        "fieldsLost": [],
        "asOf": "2026-11-22T12:00:00Z",
    }
    assert site.conditions("ConsentPolicy", NAME)["Enforced"][:2] == ("Unknown", "DryRun")
    site.put(
        site.body(AGREEMENT) | {"spec": site.body(AGREEMENT)["spec"] | {"mode": "DryRun", "signatures": []}}, record.generation, **status
    )
    for gained, same in ((5, True), (6, False)):
        later = told.model_copy(update={"what_if": what_if(gained, datetime(2026, 11, 23, tzinfo=UTC))})
        site.report(REGISTRY, tax_registers_business=later)
        assert (site.status(AGREEMENT)["whatIf"] == status["whatIf"]) is same


def test_an_agreement_past_its_term_keeps_the_network_so_that_the_store_can_say_so(site: Site) -> None:
    site.drop(Key(REGISTRY, "ConsentPolicy", "guidance-knows-company"))
    site.change("ConsentPolicy", NAME, validity={"from": "2025-01-01T00:00:00Z", "until": "2026-01-01T00:00:00Z"})
    assert CONSUMER in department.content(site.department()).consumers
    assert PROVIDER in department.content(site.department(TAX)).peers
    site.change("ConsentPolicy", NAME, validity={"from": "2027-01-01T00:00:00Z", "until": "2028-01-01T00:00:00Z"})
    assert CONSUMER not in department.content(site.department()).consumers


def test_the_keys_of_a_department_are_the_signing_key_and_the_seal_key_of_its_store(site: Site) -> None:
    key = Key(REGISTRY, "Department", PROVIDER)
    seal_key = key_of("seal").model_copy(update={"purpose": "Seal"})
    site.report(REGISTRY)
    text = orjson.loads(site.observed.known["ConfigMap", f"{REGISTRY}-platform", "commonweal-store-report"]) | {"sealKey": seal_key.wire()}
    site.observed.known["ConfigMap", f"{REGISTRY}-platform", "commonweal-store-report"] = orjson.dumps(text).decode()
    status = site.status(key)
    assert status["keys"] == [key_of(PROVIDER).wire(), seal_key.wire()]
    site.put(site.departments[PROVIDER], **status)
    site.observed.known.clear()
    assert site.status(key)["keys"] == status["keys"], "a report that is missing for a moment takes no key back"
    assert department.store_plan(site.department()).signing == key_of(PROVIDER)


def test_the_plan_waits_for_the_signing_key_and_everything_else_does_not(site: Site) -> None:
    site.put(site.departments[PROVIDER])
    key = Key(REGISTRY, "Department", PROVIDER)
    assert not site.rules.complete(site.gathered(key))
    names = {c.name for c in site.children(key)}
    assert "commonweal-store-plan" not in names
    assert {"default-deny", "store", "commonweal-model-plan"} <= names
    site.put(site.departments[PROVIDER], keys=keys_status(PROVIDER))
    assert site.rules.complete(site.gathered(key))
    assert "commonweal-store-plan" in {c.name for c in site.children(key)}

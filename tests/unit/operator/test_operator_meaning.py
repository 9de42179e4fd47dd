"""What is signed is what the fields mean: a product that is changed under an agreement closes it in the same pass, and what is revoked stays so."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from commonweal_api.plan import Outcome, StoreReport
from commonweal_kube.queue import Key, Priority
from commonweal_operator.kinds import department
from support.signing import revocation, seed_of, signed, with_nonce
from support.site import REGISTRY, Site

NAME, CONSUMER, PROVIDER = "tax-registers-business", "tax-authority", "companies-registry"
PRODUCT, AGREEMENT = Key(REGISTRY, "DataProduct", "companies"), Key(REGISTRY, "ConsentPolicy", NAME)
OTHERS = {"benefits-checks-company", "guidance-knows-company"}


@pytest.fixture
def site() -> Site:
    made = Site()
    made.apply_plan()
    made.settle()
    return made


def fields(site: Site, **changes: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the product's fields with these changed."""
    found = copy.deepcopy(site.body(PRODUCT)["spec"]["fields"])
    return [f | changes.get(f["name"], {}) for f in found]


def behind(site: Site) -> str:
    """Return the raw field behind the mask postcodeArea."""
    mask: str = next(f["mask"]["of"] for f in site.body(PRODUCT)["spec"]["fields"] if f["name"] == "postcodeArea")
    return mask


def test_the_origin_behind_a_mask_changed_closes_in_the_same_pass(site: Site) -> None:
    """Attack c: the mask's raw field was pointed at another column, and the consumer read it under unchanged signatures."""
    site.change("DataProduct", "companies", fields=fields(site, **{behind(site): {"column": "director_ref"}}))
    plan = department.store_plan(site.department())
    assert next(p for p in plan.products if p.name == "companies").generation == 2
    assert {a.name for a in plan.agreements} == OTHERS
    status, reason, message = site.conditions("ConsentPolicy", NAME)["CounterSigned"]
    assert (status, reason) == ("False", "MeaningChanged")
    for words in (
        "postcode meant «String from column registered_postcode» and means «String from column director_ref».",
        "commonweal agreement sign --renew",
    ):
        assert words in message
    assert site.status(AGREEMENT)["negotiation"] == "Terminated"


def test_what_it_meant_is_told_until_it_is_signed_anew(site: Site) -> None:
    site.change("DataProduct", "companies", fields=fields(site, sector={"column": "other"}))
    for _ in range(2):
        status = site.status(AGREEMENT)
        assert [f["column"] for f in status["signedMeaning"]["fields"] if f["name"] == "sector"] == ["sic_sector"]
        assert [f["column"] for f in status["meaning"]["fields"] if f["name"] == "sector"] == ["other"]
        site.put(site.body(AGREEMENT), 1, **status)
    product = site.body(PRODUCT)
    anew = signed(site.body(AGREEMENT), product=product | {"spec": product["spec"] | {"fields": fields(site, sector={"column": "other"})}})
    site.put(anew, 2, **status)
    assert site.status(AGREEMENT)["negotiation"] == "Finalized"
    assert "signedMeaning" not in site.status(AGREEMENT)
    assert NAME in site.planned()[1]


def test_put_back_as_it_was_the_signatures_hold_again(site: Site) -> None:
    site.change("DataProduct", "companies", fields=fields(site, sector={"column": "other"}))
    assert NAME not in site.planned()[1]
    site.change("DataProduct", "companies")
    assert NAME in site.planned()[1]


@pytest.mark.parametrize("member", ["source", "subject"])
def test_records_of_another_table_or_person_close_every_agreement(site: Site, member: str) -> None:
    spec = copy.deepcopy(site.body(PRODUCT)["spec"])
    if member == "source":
        spec["source"]["postgres"]["table"] = "another"
    else:
        spec["subject"]["column"] = "another"
    site.change("DataProduct", "companies", **spec)
    assert site.planned()[1] == set()
    assert site.conditions("ConsentPolicy", NAME)["CounterSigned"][1] == "MeaningChanged"


def test_what_changes_no_meaning_closes_nothing(site: Site) -> None:
    before, spec = site.planned()[1], copy.deepcopy(site.body(PRODUCT)["spec"])
    spec["fields"] = [f | {"description": "In other words.", "classification": "OfficialSensitive"} for f in spec["fields"]]
    spec["fields"].append({"name": "another", "column": "another", "type": "String"})
    spec["serve"] = {"refreshSeconds": 60, "auditDurability": "Strict"}
    spec["source"]["postgres"]["credentials"] = {"name": "another-login"}
    spec["title"], spec["quality"] = "Companies, newly named", []
    site.change("DataProduct", "companies", **spec)
    assert site.planned()[1] == before
    assert site.status(AGREEMENT)["negotiation"] == "Finalized"


def test_a_forged_status_opens_nothing(site: Site) -> None:
    """The status tells what was signed, and proves nothing: the hash does."""
    site.change("DataProduct", "companies", fields=fields(site, sector={"column": "director_ref"}))
    now = site.status(AGREEMENT)["meaning"]
    site.put(site.body(AGREEMENT), 1, meaning=now, signedMeaning=now, hash="sha256:" + "0" * 64)
    assert site.conditions("ConsentPolicy", NAME)["CounterSigned"][:2] == ("False", "SignedOtherTerms")
    assert NAME not in site.planned()[1]


def test_an_agreement_stays_with_the_version_that_means_what_was_signed(site: Site) -> None:
    old = site.body(PRODUCT)["spec"]
    kept = {"version": old["version"], "fields": old["fields"], "answers": old.get("answers", []), "until": "2027-01-01T00:00:00Z"}
    site.change("DataProduct", "companies", version="9.0.0", fields=fields(site, sector={"column": "other"}), earlier=[kept])
    assert NAME in site.planned()[1]
    assert NAME not in site.planned(now=datetime(2027, 1, 1, tzinfo=UTC))[1], "from then on it would read what was not signed"


def test_without_its_product_nobody_can_say_what_was_signed(site: Site) -> None:
    site.drop(PRODUCT)
    assert site.conditions("ConsentPolicy", NAME)["CounterSigned"][:2] == ("False", "ProductNotFound")
    assert "hash" not in site.status(AGREEMENT)


def test_the_plan_names_the_hash_that_was_signed_and_the_nonce(site: Site) -> None:
    (entry,) = [a for a in department.store_plan(site.department()).agreements if a.name == NAME]
    body = signed(site.body(AGREEMENT))
    assert (entry.signed, entry.spec.nonce) == (body["spec"]["signatures"][0]["hash"], body["spec"]["nonce"])
    assert entry.spec.signatures == []


# Signed in the form of earlier releases


def test_signatures_of_an_earlier_release_are_told_apart_and_the_store_says_how_long_they_hold(site: Site) -> None:
    body = site.body(AGREEMENT)
    del body["spec"]["nonce"]
    site.put(signed(body, old=True), 2)
    (entry,) = [a for a in department.store_plan(site.department()).agreements if a.name == NAME]
    assert (entry.signed, entry.spec.nonce) == (None, None)
    lapses = datetime(2027, 5, 1, tzinfo=UTC)
    told = Outcome(uid=entry.uid, generation=2, ready=True, reason="Enforced", number=7, lapses=lapses)
    site.report(REGISTRY, tax_registers_business=told)
    status, reason, message = site.conditions("ConsentPolicy", NAME)["CounterSigned"]
    assert (status, reason) == ("True", "SignedBefore")
    assert "It holds until 2027-05-01T00:00:00+00:00." in message
    assert "commonweal agreement sign --renew" in message


# Revoked


def revoked(site: Site, party: str = CONSUMER, seed: bytes | None = None) -> dict[Key, Priority]:
    """Put a party's revocation beside both signatures."""
    body = signed(site.body(AGREEMENT))
    body["spec"]["revocations"] = [revocation(body, party, seed)]
    return site.put(body, 2)


@pytest.mark.parametrize("party", [CONSUMER, PROVIDER])
def test_either_party_ends_it_whatever_the_other_has_signed(site: Site, party: str) -> None:
    wishes = revoked(site, party)
    assert wishes[AGREEMENT] == wishes[Key(REGISTRY, "Department", PROVIDER)] == Priority.REVOCATION
    plan = department.store_plan(site.department())
    assert {a.name for a in plan.agreements} == OTHERS
    assert plan.revoked == [with_nonce(site.body(AGREEMENT))["spec"]["nonce"]]
    assert site.conditions("ConsentPolicy", NAME)["CounterSigned"][:2] == ("False", "Revoked")
    assert site.status(AGREEMENT)["negotiation"] == "Terminated"


def test_a_revocation_that_nobody_made_closes_and_ends_nothing_for_ever(site: Site) -> None:
    revoked(site, CONSUMER, seed_of(PROVIDER))
    plan = department.store_plan(site.department())
    assert (NAME in {a.name for a in plan.agreements}, plan.revoked) == (False, None)
    assert site.conditions("ConsentPolicy", NAME)["CounterSigned"][:2] == ("False", "RevocationInvalid")


def test_a_revocation_of_another_nonce_is_none_of_this_one(site: Site) -> None:
    body = signed(site.body(AGREEMENT))
    body["spec"]["revocations"] = [revocation(body | {"spec": body["spec"] | {"nonce": "A" * 22}}, CONSUMER)]
    site.put(body, 2)
    plan = department.store_plan(site.department())
    assert (NAME in {a.name for a in plan.agreements}, plan.revoked) == (True, ["A" * 22])


def test_taken_out_again_before_the_store_knew_it_is_told_all_the_same(site: Site) -> None:
    nonce = site.body(AGREEMENT)["spec"]["nonce"]
    revoked(site)
    site.apply_plan()
    site.put(signed(site.body(AGREEMENT)), 3)
    assert department.store_plan(site.department()).revoked == [nonce], "the plan in the cluster is the memory until the store has it"
    digest = site.observed.known["ConfigMap", f"{REGISTRY}-platform", "commonweal-store-plan"][0]
    report = orjson.dumps(StoreReport(plan=digest).wire()).decode()
    site.observed.known["ConfigMap", f"{REGISTRY}-platform", "commonweal-store-report"] = report
    assert department.store_plan(site.department()).revoked is None, "from then on it is the store that keeps it closed"
    record = site.record("ConsentPolicy", NAME)
    told = Outcome(uid=record.uid, generation=3, ready=False, reason="NonceEnded", message=f"spec.nonce: {nonce}, Revoked.")
    site.report(REGISTRY, tax_registers_business=told)
    assert site.conditions("ConsentPolicy", NAME)["Enforced"][:2] == ("False", "NonceEnded")
